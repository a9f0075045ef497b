/// A method as the command line names it: `zipvl:tau=0.96,rows=keys`, a name and options in the flags' own
/// names.
package struct MethodSpec: Sendable, Equatable {
    /// The text without spaces.
    package var label: String
    package var settings: [Setting]

    package struct Setting: Sendable, Equatable {
        package var key: AnalysisRequest.Key
        package var text: String
    }

    /// What all methods of one run share: they answer on the same frames with the same model.
    package static let shared: Set<AnalysisRequest.Key> = [
        .frames, .sampling, .resize, .model, .dtype,
    ]

    /// The reference of the paired comparison.
    package static let full = MethodSpec(
        label: "full", settings: [Setting(key: .method, text: "full")])

    private init(label: String, settings: [Setting]) {
        self.label = label
        self.settings = settings
    }

    package init(_ text: String) throws(AnalysisError) {
        label = text.filter { !$0.isWhitespace }
        let parts = label.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        settings = [Setting(key: .method, text: String(parts[0]))]
        if parts.count == 2 { try read(options: parts[1]) }
        // Names and values are checked here, whatever else the run gives this method.
        var request = AnalysisRequest()
        for setting in settings { try request.set(setting.key, to: setting.text) }
    }

    private mutating func read(options: Substring) throws(AnalysisError) {
        for piece in options.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = piece.firstIndex(of: "=") else {
                // The second number of `probes=64,64`.
                guard settings.count > 1, !piece.isEmpty else {
                    throw AnalysisError("\(label): expected name=value, found `\(piece)`")
                }
                settings[settings.count - 1].text += ",\(piece)"
                continue
            }
            let name = String(piece[..<equals])
            guard let key = AnalysisRequest.Key(flag: name), key != .method else {
                throw AnalysisError("\(label): there is no option `\(name)`")
            }
            if Self.shared.contains(key) {
                throw AnalysisError(
                    "\(label): all methods of a run share \(key.flag); give it as a flag")
            }
            if settings.contains(where: { $0.key == key }) {
                throw AnalysisError("\(label): `\(name)` is given twice")
            }
            settings.append(Setting(key: key, text: String(piece[piece.index(after: equals)...])))
        }
    }
}
