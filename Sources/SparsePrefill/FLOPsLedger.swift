/// Attention and whole-decoder FLOPs of one answer, computed and dense, from the same rules
/// (2 FLOPs a multiply-add; only visible pairs; softmax, norms and RoPE not counted).
package struct FLOPsLedger: Sendable, Equatable {
    /// Sizes of the decoder that the counts depend on.
    package struct Decoder: Sendable, Equatable {
        package let layers: Int
        package let width: Int
        package let feedForward: Int
        package let vocabulary: Int
        package let attention: AttentionGeometry

        package init(
            layers: Int, width: Int, feedForward: Int, vocabulary: Int, attention: AttentionGeometry
        ) {
            self.layers = layers
            self.width = width
            self.feedForward = feedForward
            self.vocabulary = vocabulary
            self.attention = attention
        }

        /// A pair costs 4 d a query head: 2 for q k^T, 2 for the weighted sum of values.
        var perPair: Double { Double(4 * attention.headWidth * attention.heads) }
        /// A probe pair computes q k^T only.
        var perProbePair: Double { perPair / 2 }

        func linears(_ rows: ProjectionRows) -> Double {
            let queryWidth = attention.heads * attention.headWidth
            let keyWidth = attention.keyValueHeads * attention.headWidth
            let multiplyAdds =
                rows.query * width * queryWidth + (rows.key + rows.value) * width * keyWidth
                + rows.output * queryWidth * width + rows.feedForward * 3 * width * feedForward
            return 2 * Double(multiplyAdds)
        }

        /// One row of logits.
        var languageHead: Double { 2 * Double(width) * Double(vocabulary) }
    }

    package let attentionDense: Double
    package let attentionUsed: Double
    package let decoderDense: Double
    package let decoderUsed: Double
    /// 100 (1 - mean(r)^2), prefill only: the papers' figure; 100 (1 - mean(share)) for methods whose
    /// paper counts pairs.
    package let attentionSavedPercentPaper: Double

    /// - Parameters:
    ///   - reports: one per layer.
    ///   - promptTokens: n with all visual tokens.
    ///   - decodeSteps: forward passes after the prefill; each counts its cache length.
    package init(
        _ decoder: Decoder, reports: [LayerReport], promptTokens n: Int, decodeSteps: Int
    ) {
        let dense = [LayerReport](repeating: .dense(n), count: decoder.layers)
        (attentionDense, decoderDense) = Self.count(decoder, dense, decodeSteps)
        (attentionUsed, decoderUsed) = Self.count(decoder, reports, decodeSteps)
        attentionSavedPercentPaper = Self.paperFigure(reports, n)
    }

    private static func paperFigure(_ reports: [LayerReport], _ n: Int) -> Double {
        func mean(_ value: (LayerReport, Double) -> Double) -> Double {
            let values = reports.map {
                value($0, $0.paperRatio ?? Double($0.attended) / Double(max(n, 1)))
            }
            return values.reduce(0, +) / Double(max(values.count, 1))
        }
        if reports.contains(where: { $0.paperShare != nil }) {
            return 100 * (1 - mean { $0.paperShare ?? $1 * $1 })
        }
        let ratio = mean { $1 }
        return 100 * (1 - ratio * ratio)
    }

    private static func count(
        _ decoder: Decoder, _ reports: [LayerReport], _ steps: Int
    ) -> (attention: Double, decoder: Double) {
        var attention = 0.0
        var linears = 0.0
        for report in reports {
            attention += report.pairs * decoder.perPair + report.probePairs * decoder.perProbePair
            linears += decoder.linears(report.rows)
            // Step t attends to the kept prompt entries, the t - 1 generated before it, and itself.
            let decodePairs = Double(report.cached * steps) + LayerReport.visiblePairs(steps)
            attention += decodePairs * decoder.perPair
            linears += decoder.linears(ProjectionRows(all: steps))
        }
        let heads = decoder.languageHead * Double(1 + steps)
        return (attention, attention + linears + heads)
    }
}
