import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// What is dropped before the decoder: EVS and HiRED on videos of three frames of two cells.
@Suite struct VisualChoiceTests {
    init() throws { try LoadedTorch.load() }

    @Test func evsKeepsTheFirstFrameAndWhatMoved() throws {
        // Cell 0 never moves; cell 1 turns by 90 degrees into frame 1 and by 45 into frame 2.
        let video: [Float] = [1, 0, 1, 0, 2, 0, 0, 1, 1, 0, 3, 3]
        let tokens = try Tensor(video, shape: [6, 2])
        func kept(_ rate: Double) throws -> [Int] {
            try EVSPremerge(rate: rate).kept(tokens, tokensPerFrame: 2)
        }
        #expect(try kept(0) == [0, 1, 2, 3, 4, 5])
        #expect(try kept(0.34) == [0, 1, 3, 5])
        #expect(try kept(0.5) == [0, 1, 3])
        // Never less than the first frame.
        #expect(try kept(0.9) == [0, 1])
    }

    @Test func evsSurvivesTokensOfZeros() throws {
        let tokens = try Tensor([Float](repeating: 0, count: 12), shape: [6, 2])
        // All alike undefined: ties go to the earlier ones.
        #expect(try EVSPremerge(rate: 0.5).kept(tokens, tokensPerFrame: 2) == [0, 1, 2])
    }

    @Test func hiredKeepsABudgetOfEveryFrame() throws {
        let visual = VisualTokens(
            tokens: try Tensor.zeros([8, 2], .float32), tokensPerFrame: 4,
            classAttention: [1, 3, 2, 4, 9, 9, 1, 9])
        #expect(try HiREDPrefill(budget: 0.5).chooseVisualTokens(visual) == [1, 3, 4, 5])
        #expect(try HiREDPrefill(budget: 0.01).chooseVisualTokens(visual) == [3, 4])
        #expect(try HiREDPrefill(budget: 1).chooseVisualTokens(visual) == nil)
    }

    @Test func hiredAfterEVSChoosesAmongWhatIsLeft() throws {
        // Frame 1 repeats frame 0 but in its last cell.
        let video: [Float] = [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1]
        let visual = VisualTokens(
            tokens: try Tensor(video, shape: [8, 2]), tokensPerFrame: 4,
            classAttention: [1, 3, 2, 4, 9, 9, 9, 1])
        let plan = PrefillPlan(
            policy: HiREDPrefill(budget: 0.5), premerge: EVSPremerge(rate: 0.375))
        #expect(try plan.chooseVisualTokens(visual) == [1, 3, 7])
        let alone = PrefillPlan(policy: FullPrefill(), premerge: EVSPremerge(rate: 0.375))
        #expect(try alone.chooseVisualTokens(visual) == [0, 1, 2, 3, 7])
        #expect(try PrefillPlan(policy: FullPrefill()).chooseVisualTokens(visual) == nil)
    }

    @Test func tokensRetireAfterLayersRunning() {
        let layout = PromptLayout(count: 6, visual: 1..<5)
        var idle = [Int](repeating: 0, count: 6)
        let rule = Retirement(after: 2)
        #expect(rule.remaining(idle: &idle, kept: [0, 1, 5], layout: layout) == nil)
        #expect(idle == [0, 0, 1, 1, 1, 0])
        // Token 2 comes back in time, 3 and 4 do not.
        let rows = rule.remaining(idle: &idle, kept: [0, 2, 5], layout: layout)
        #expect(rows == [0, 1, 2, 5])
        #expect(idle == [0, 1, 0, 2, 2, 0])
        // A dense layer selects everybody.
        #expect(rule.remaining(idle: &idle, kept: nil, layout: layout) == nil)
        #expect(idle == [0, 0, 0, 0, 0, 0])
    }
}
