import Testing

@testable import LongVA

/// The rule of transformers' RepetitionPenaltyLogitsProcessor and what is masked, by hand.
@Suite struct GreedyDecodingTests {
    private func next(
        _ logits: [Float], generated: [Int] = [], penalty: Float = 1, tokens: Int? = nil
    ) throws -> Int {
        try GreedyDecoding(tokenCount: tokens ?? logits.count, repetitionPenalty: penalty)
            .nextToken(logits, generated: generated)
    }

    @Test func theLargestLogitWinsAndTheFirstOfEquals() throws {
        #expect(try next([1, 5, 2]) == 1)
        #expect(try next([1, 5, 5]) == 1)
    }

    @Test func positiveLogitsAreDividedAndNegativeOnesMultiplied() throws {
        #expect(try next([2.0, 1.95], generated: [0], penalty: 1.05) == 1)
        #expect(try next([2.0, 1.90], generated: [0], penalty: 1.05) == 0)
        #expect(try next([-1.0, -1.04], generated: [0], penalty: 1.05) == 1)
        #expect(try next([-1.0, -1.06], generated: [0], penalty: 1.05) == 0)
    }

    @Test func aTokenIsPenalisedOnceHoweverOftenItCame() throws {
        #expect(try next([2.0, 1.85], generated: [0, 0, 0], penalty: 1.05) == 0)
    }

    @Test func paddingRowsAreNeverChosenNorChecked() throws {
        #expect(try next([1, 2, 100], tokens: 2) == 1)
        #expect(try next([1, 2, .nan], tokens: 2) == 1)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func aLogitThatIsNoNumberIsAFailure(_ bad: Float) {
        let error = #expect(throws: ModelError.self) { try next([1, bad, 2]) }
        #expect(error?.kind == .numericalFailure)
    }
}
