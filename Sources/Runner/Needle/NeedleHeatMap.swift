package enum NeedleHeatMap {
    /// Lengths to the right, depths downwards, accuracy as colour and number.
    ///
    /// - Parameters:
    ///   - model: its name, for the title
    ///   - optionsJSON: the options of the run
    package static func draw(
        _ cells: [NeedleCell], lengths: [Int], depths: [Double], model: String, optionsJSON: String
    ) -> Canvas {
        let title = MethodTitle(optionsJSON: optionsJSON)
        let needles = cells.map(\.results.count).max() ?? 0
        var notes = [
            "\(needles) needles in each cell; \(cells.accuracy.map(percent) ?? "-") right over all"
        ]
        if !title.settings.isEmpty { notes.append(title.settings) }
        return HeatMap(
            title: "V-NIAH: \(model), \(title.method)", notes: notes,
            columnTitle: "frames in the haystack", columns: lengths.map { "\($0)" },
            rowTitle: "depth of the needle", rows: depths.map { "\(percentText($0))%" },
            values: depths.map { depth in
                lengths.map { cells.cell(length: $0, depth: depth)?.accuracy }
            }
        ).draw()
    }

    /// "87.5%"
    private static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10)%"
    }

    /// "25", "12.5"
    package static func percentText(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(value))" : "\(value)"
    }
}
