/// Picks the next token: penalty on what was generated, padding ids masked, largest logit wins.
package struct GreedyDecoding {
    /// Ids at or above this are padding rows of the table, not tokens.
    let tokenCount: Int
    let repetitionPenalty: Float

    package init(tokenCount: Int, repetitionPenalty: Float) {
        self.tokenCount = tokenCount
        self.repetitionPenalty = repetitionPenalty
    }

    /// - Parameter logits: [vocabulary]
    /// - Throws: `ModelError` (`numericalFailure`) when a token's logit is NaN or infinite: without
    ///   the check such a run prints token 0 for ever ("!!!!").
    package func nextToken(_ logits: [Float], generated: [Int]) throws(ModelError) -> Int {
        var logits = Array(logits.prefix(tokenCount))
        if let bad = logits.firstIndex(where: { !$0.isFinite }) {
            throw ModelError(
                .numericalFailure,
                "the logit of token \(bad) is \(logits[bad]): the model computed NaN or infinity")
        }
        for token in Set(generated) where token < logits.count {
            let logit = logits[token]
            logits[token] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty
        }
        var best = 0
        for (token, logit) in logits.enumerated() where logit > logits[best] { best = token }
        return best
    }
}
