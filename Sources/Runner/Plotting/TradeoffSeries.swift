import Foundation

/// Points that differ in numbers only, such as `zipvl:tau=0.9` and `zipvl:tau=0.99`: one line of a figure.
package struct TradeoffSeries: Sendable, Equatable {
    package struct Point: Sendable, Equatable {
        /// The value in which this point differs from its neighbours; empty where there is no neighbour.
        package var value: String
        /// Percent of what full attention on all visual tokens costs.
        package var attention: Double
        /// Percent of what the decoder costs so.
        package var decoder: Double
        /// Percent.
        package var accuracy: Double
        package var low: Double
        package var high: Double
    }

    /// "zipvl keys question"
    package var name: String
    /// The option that tells the points apart: "tau".
    package var knob: String
    /// By attention.
    package var points: [Point]

    /// The series of one number of frames without the baseline, in the order of the methods. Methods
    /// without an answer are left out.
    package static func series(of methods: [EvaluationSummary.Method]) -> [TradeoffSeries] {
        var order: [String] = []
        var members: [String: [Member]] = [:]
        for method in methods where !method.isBaseline && method.answered > 0 {
            let member = Member(method)
            if members[member.key] == nil { order.append(member.key) }
            members[member.key, default: []].append(member)
        }
        var result = order.compactMap { members[$0].map(series) }
        let names = result.map(\.name)
        for index in result.indices where names.count(where: { $0 == names[index] }) > 1 {
            // Options with equal values: only the whole text tells them apart.
            result[index].name = members[order[index]]?.first?.method.method ?? names[index]
        }
        return result
    }

    package static func point(_ method: EvaluationSummary.Method, value: String = "") -> Point? {
        guard let accuracy = method.accuracy, let interval = method.accuracyInterval,
            let attention = method.attnFlopsSavedPct, let decoder = method.llmFlopsSavedPct
        else { return nil }
        return Point(
            value: value, attention: 100 - attention, decoder: 100 - decoder,
            accuracy: 100 * accuracy, low: 100 * interval.low, high: 100 * interval.high)
    }

    private static func series(_ members: [Member]) -> TradeoffSeries {
        let named = Set(members.flatMap { $0.numbers.map(\.key) })
        // In the order of the flags.
        let knobs = AnalysisRequest.Key.allCases.filter { key in
            named.contains(key) && Set(members.map { $0.value(of: key) }).count > 1
        }
        var name = members[0].name
        if knobs.isEmpty {
            name += members[0].numbers.map { " " + $0.text }.joined()
        }
        let points = members.compactMap { member in
            point(
                member.method, value: knobs.map { member.value(of: $0) }.joined(separator: " / "))
        }
        return TradeoffSeries(
            name: name, knob: knobs.map { Self.word($0) }.joined(separator: " / "),
            points: points.sorted { ($0.attention, $0.decoder) < ($1.attention, $1.decoder) })
    }

    fileprivate static func word(_ key: AnalysisRequest.Key) -> String {
        String(key.flag.drop { $0 == "-" })
    }
}

/// A method's text, taken apart.
private struct Member {
    var method: EvaluationSummary.Method
    /// The method and the options whose values are words.
    var name: String
    /// Equal for the members of a series.
    var key: String
    var numbers: [MethodSpec.Setting] = []

    init(_ method: EvaluationSummary.Method) {
        self.method = method
        guard let spec = try? MethodSpec(method.method), let first = spec.settings.first else {
            (name, key) = (method.method, method.method)
            return
        }
        name = first.text
        key = first.text
        for setting in spec.settings.dropFirst() {
            if Double(setting.text) != nil {
                numbers.append(setting)
                continue
            }
            key += ",\(setting.key.rawValue)=\(setting.text)"
            // A path says nothing to who looks at a figure.
            if setting.key == .minference { continue }
            let isWord = setting.text.first?.isLetter ?? false
            if !isWord { name += " " + TradeoffSeries.word(setting.key) }
            name += " " + setting.text
        }
    }

    /// As given, else the default that it was run with.
    func value(of key: AnalysisRequest.Key) -> String {
        if let given = numbers.first(where: { $0.key == key }) { return given.text }
        let parsed = try? JSONSerialization.jsonObject(with: Data(method.optionsJson.utf8))
        guard let number = (parsed as? [String: Any])?[key.rawValue] as? NSNumber else { return "" }
        return "\(number)"
    }
}
