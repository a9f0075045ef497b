import Testing

@testable import Runner

/// Reference values: scipy 1.x `binomtest(k, n).proportion_ci(method="wilson")`,
/// `binomtest(b, b + c, 0.5).pvalue`, and for the bootstrap the same SplitMix64 written in Python with
/// `numpy.quantile`, which agrees with `scipy.stats.bootstrap(method="percentile")` on the same counts.
@Suite struct EvaluationStatisticsTests {
    @Test(arguments: [
        (0, 10, 0.0, 0.27753279986288926), (5, 10, 0.236593090512564, 0.7634069094874361),
        (10, 10, 0.7224672001371109, 1.0), (1, 1, 0.20654931437723745, 1.0),
        (263, 500, 0.4822016483694956, 0.5694018859265038),
        (1420, 2700, 0.5070680481512462, 0.5447101356410322),
        (81, 84, 0.9001830642748655, 0.9877803307686647),
    ])
    func `Wilson's interval is scipy's`(
        successes: Int, trials: Int, low: Double, high: Double
    ) throws {
        let interval = try #require(
            PairedStatistics.wilson(successes: successes, trials: trials))
        #expect(abs(interval.low - low) < 1e-12)
        #expect(abs(interval.high - high) < 1e-12)
    }

    @Test(arguments: [
        (0, 0, 1.0), (3, 3, 1.0), (1, 9, 0.021484375), (9, 1, 0.021484375), (0, 6, 0.03125),
        (12, 25, 0.04703102743951604), (10, 0, 0.001953125), (40, 80, 0.00033040001839131815),
        // 2^-1500 is 0 in floating point.
        (700, 800, 0.010559255466711506),
    ])
    func `McNemar's exact p is the binomial test's`(gained: Int, lost: Int, p: Double) {
        let found = PairedStatistics.mcNemar(gained: gained, lost: lost)
        #expect(abs(found - p) < 1e-9 * max(p, 1e-3))
    }

    @Test(arguments: [
        (3, 8, 50, 10_000, 0 as UInt64, -0.22, 0.02),
        (20, 33, 400, 1000, 7, -0.0675, 0.0025), (1, 0, 5, 10_000, 0, 0.0, 0.6),
    ])
    func `the bootstrap draws what its generator gives and takes numpy's quantiles`(
        gained: Int, lost: Int, pairs: Int, resamples: Int, seed: UInt64, low: Double,
        high: Double
    ) throws {
        let interval = try #require(
            PairedStatistics.bootstrap(
                gained: gained, lost: lost, pairs: pairs, resamples: resamples, seed: seed))
        #expect(abs(interval.low - low) < 1e-12)
        #expect(abs(interval.high - high) < 1e-12)
    }

    @Test func `no trials have no interval, and equal answers no difference`() {
        #expect(PairedStatistics.wilson(successes: 0, trials: 0) == nil)
        #expect(PairedStatistics.bootstrap(gained: 0, lost: 0, pairs: 0) == nil)
        #expect(
            PairedStatistics.bootstrap(gained: 0, lost: 0, pairs: 9) == .init(low: 0, high: 0))
    }

    @Test func `the median of an even number of values is the mean of the middle two`() {
        #expect(PairedStatistics.median([]) == nil)
        #expect(PairedStatistics.median([3, 1, 2]) == 2)
        #expect(PairedStatistics.median([4, 1, 2, 3]) == 2.5)
    }
}
