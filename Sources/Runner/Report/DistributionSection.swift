/// How savings, memory and times spread over answers.
enum DistributionSection {
    static func body(_ content: ReportContent) -> HTML {
        let methods = content.methods
        guard !methods.isEmpty else { return "" }
        func values(_ value: (ReportAnswer) -> Double?) -> [[Double]] {
            methods.map { $0.answers.compactMap(value) }
        }
        let hasDevice = content.answers.contains { $0.peakDeviceMiB != nil }
        let memory = values(hasDevice ? \.peakDeviceMiB : \.peakHostMiB)
        // Round numbers of the unit that the figure names.
        let isLarge = (memory.joined().max() ?? 0) >= 2048
        let figures = [
            HistogramFigure(
                title: "Attention FLOPs saved", format: Self.percent,
                series: values(\.attnSavedPct)),
            HistogramFigure(
                title: "KV cache saved", format: Self.percent, series: values(\.kvSavedPct)),
            HistogramFigure(
                title: hasDevice ? "Peak device memory" : "Peak host memory",
                format: { Self.plain($0) + (isLarge ? " GiB" : " MiB") },
                series: memory.map { $0.map { isLarge ? $0 / 1024 : $0 } }),
            HistogramFigure(
                title: "Time of an answer", format: { ReportFigures.time(milliseconds: $0) },
                series: values(\.totalMS)),
        ]
        return """
            \(legend(methods))
            <div class="two">
            \(figures.map(\.html))
            </div>
            """
    }

    private static func percent(_ value: Double) -> String { plain(value) + " %" }

    private static func plain(_ value: Double) -> String {
        let isWhole = abs(value - value.rounded()) < 1e-6
        return ReportFigures.decimal(value, isWhole ? 0 : abs(value) < 1 ? 2 : 1)
    }

    /// Which colour is which method, where there are several.
    private static func legend(_ methods: [ReportMethod]) -> HTML {
        guard methods.count > 1 else { return "" }
        let entries = methods.enumerated().map { index, method -> HTML in
            "<span><i class=\"s\(index % 8)\"></i>\(method.label)</span>\n"
        }
        return "<p class=\"legend\">\(entries)</p>"
    }
}
