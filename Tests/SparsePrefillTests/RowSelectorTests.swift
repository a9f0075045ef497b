import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// The choice by the kernels against TokenScores, TokenThreshold and TokenSelection on the same scores: the sets are equal
/// to the last token.
@Suite struct RowSelectorTests {
    init() throws { try LoadedTorch.load() }

    /// How scores are spread.
    enum Spread: CaseIterable {
        case wide, narrow, few, equal, mostlyZero, zero

        func score(_ random: inout SplitMix64) -> Float {
            let x = Float(random.next() >> 40) / Float(1 << 24)
            return switch self {
            case .wide: Float(sign: .plus, exponent: -Int(x * 20), significand: 1 + x)
            case .narrow: 1 + x / 100
            case .few: Float(Int(x * 4))
            case .equal: 1
            case .mostlyZero: x < 0.9 ? 0 : x
            case .zero: 0
            }
        }
    }

    private struct Problem {
        let sums: Tensor  // [2, P, n]
        let heads: Int
        let probeRows: [Int]
        let layout: PromptLayout
        let norm: ScoreNormalization
        let bucket: Int

        init(_ n: Int, _ spread: Spread, _ random: inout SplitMix64) throws {
            let parts = 1 + random.number(below: 3)
            heads = 2 * (1 + random.number(below: 7))
            let values = (0..<2 * parts * n).map { _ in spread.score(&random) }
            sums = try Tensor(values, shape: [2, parts, n])
            let probes = 1 + random.number(below: min(n, 128))
            probeRows = random.sample(probes, below: n).sorted()
            let first = random.number(below: n + 1)
            let end = first + random.number(below: n - first + 1)
            layout = PromptLayout(
                count: n, visual: random.number(below: 4) == 0 ? 0..<n : first..<end)
            norm = random.number(below: 2) == 0 ? .exact : .zipcache
            bucket = [1, 1, 7, 64, 256, 1 << 20][random.number(below: 6)]
        }

        func rule(_ quota: TokenQuota) throws -> RowSelectionRule {
            RowSelectionRule(
                quota: try #require(quota.onDevice), ranksBySeen: norm == .exact, bucket: bucket,
                droppable: layout.droppable)
        }
    }

    private func quota(_ random: inout SplitMix64, _ n: Int) -> TokenQuota {
        let tau = [0.5, 0.975, 0.999_999, Double(random.next() >> 11) / Double(1 << 53)][
            random.number(below: 4)]
        return switch random.number(below: 3) {
        case 0: .count(random.number(below: n + 2))
        case 1: .holding(TokenThreshold(tau: tau))
        default: .holding(TokenThreshold(tau: tau, rule: .corrected))
        }
    }

    @Test(arguments: Spread.allCases)
    func theSetsAreThoseOfTheHost(_ spread: Spread) throws {
        var random = SplitMix64(seed: 11, stream: Spread.allCases.firstIndex(of: spread) ?? 0)
        // One selector for all: lengths grow and shrink as they may from layer to layer.
        let selector = RowSelector(on: Emulator(), layers: 7)
        var later: [(SelectedRows, [Float], TokenSelection)] = []
        for round in 0..<40 {
            let n = round == 0 ? 1 : round < 30 ? 65 + random.number(below: 600) : 1000 + round * 30
            let problem = try Problem(n, spread, &random)
            let quota = quota(&random, n)
            let selected = try selector.select(
                sums: problem.sums, heads: problem.heads, probeRows: Tensor(problem.probeRows),
                rule: problem.rule(quota), total: 9 * n)
            let accumulated = try selected.read().scores
            let plain: [Float] = try
                (problem.sums.reshaped([problem.sums.count / n, n]).sum([0])
                * (1 / Float(problem.heads))).values()
            for (a, b) in zip(accumulated, plain) { #expect(abs(a - b) <= 1e-6 * b) }

            let scores = TokenScores(
                accumulated, probeRows: problem.probeRows, norm: problem.norm)
            let choice = quota.choice(scores, layer: 0)
            let expected = TokenSelection(
                chosen: choice.rows, least: choice.least, scores: scores, layout: problem.layout,
                bucket: problem.bucket)
            let rows: [Int] = try selected.rows.values()
            #expect(
                rows == expected.kept,
                "\(round): n \(n), \(quota), \(problem.norm), \(problem.bucket), \(problem.layout)")
            #expect(abs(selected.massKept - expected.massKept) < 1e-9)
            #expect(selected.held == choice.rows.count)
            later.append((selected, accumulated, expected))
        }
        for (selected, accumulated, expected) in later {
            let read = try selected.read()
            #expect(read.scores == accumulated && read.kept == expected.kept)
        }
    }

    @Test func whatIsAddedUpInIntegersStaysWithinThem() {
        for total in [1, 2, 127, 128, 129, 1 << 20] {
            let sum = Float(total) * RowSelector.massScale(total: total)
            #expect(sum <= Float(sign: .plus, exponent: 60, significand: 1))
            #expect(sum >= Float(sign: .plus, exponent: 56, significand: 1))
        }
    }
}
