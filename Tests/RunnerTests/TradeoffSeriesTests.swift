import Testing

@testable import Runner

@Suite struct TradeoffSeriesTests {
    static func method(
        _ label: String, frames: Int = 64, accuracy: Double? = 0.9, attention: Double = 40,
        decoder: Double = 70, options: String = "{}"
    ) -> EvaluationSummary.Method {
        var method = EvaluationSummary.Method(
            method: label, frames: frames, isBaseline: label == "full",
            answered: accuracy == nil ? 0 : 100, failed: 0, correct: 0, pairs: 100,
            optionsJson: options)
        method.accuracy = accuracy
        method.accuracyInterval = accuracy.map { .init(low: $0 - 0.05, high: min(1, $0 + 0.04)) }
        method.attnFlopsSavedPct = accuracy == nil ? nil : 100 - attention
        method.llmFlopsSavedPct = accuracy == nil ? nil : 100 - decoder
        return method
    }

    static func summary(_ methods: [EvaluationSummary.Method]) throws -> EvaluationSummary {
        let plan = try EvaluationPlan(specs: [], outside: [:], frames: [64], on: .cpu)
        var summary = EvaluationSummary(
            items: [], plan: plan, answers: plan.methods.map { _ in [] }, baseline: "full")
        summary.methods = methods
        return summary
    }

    @Test func `methods that differ in numbers only are one line, by cost`() {
        let series = TradeoffSeries.series(of: [
            Self.method("full", attention: 100),
            Self.method("zipvl:tau=0.99", attention: 60),
            Self.method("zipvl", attention: 50, options: #"{"tau":0.975}"#),
            Self.method("fastv:fastv-drop=0.5"),
            Self.method("zipvl:tau=0.9", attention: 30),
            Self.method("zipvl:tau=0.9,rows=keys"),
        ])
        #expect(series.map(\.name) == ["zipvl", "fastv 0.5", "zipvl keys 0.9"])
        #expect(series.map(\.knob) == ["tau", "", ""])
        // The default is what it was run with.
        #expect(series[0].points.map(\.value) == ["0.9", "0.975", "0.99"])
        #expect(series[0].points.map(\.attention) == [30, 50, 60])
        #expect(series[1].points.map(\.value) == [""])
    }

    @Test func `a number that all share does not tell points apart`() {
        let series = TradeoffSeries.series(of: [
            Self.method("zipvl:tau=0.9,premerge=evs,premerge-rate=0.4"),
            Self.method("zipvl:tau=0.9,premerge=evs,premerge-rate=0.7"),
        ])
        #expect(series.map(\.knob) == ["premerge-rate"])
        #expect(series[0].points.map(\.value).sorted() == ["0.4", "0.7"])
    }

    @Test func `equal words of different options are told apart, and a file is not named`() {
        let series = TradeoffSeries.series(of: [
            Self.method("zipvl:norm=zipcache"), Self.method("zipvl:kv=zipcache"),
            Self.method("minference:minference-config=some/file.json"),
            Self.method("zipvl:probes=32,32"),
        ])
        #expect(
            series.map(\.name) == [
                "zipvl:norm=zipcache", "zipvl:kv=zipcache", "minference", "zipvl probes 32,32",
            ])
    }

    @Test func `methods without answers are left out`() {
        #expect(TradeoffSeries.series(of: [Self.method("fixed", accuracy: nil)]).isEmpty)
    }
}
