import Foundation

/// A method as the command line names it: `zipvl:tau=0.96,rows=keys`, a name and options in the flags' own
/// names.
package struct MethodSpec: Sendable, Equatable {
    /// The text without spaces around `:`, `,` and `=`.
    package var label: String
    package var settings: [Setting]

    package struct Setting: Sendable, Equatable {
        package var key: AnalysisRequest.Key
        package var text: String
    }

    /// What all methods of one run share: they answer on the same frames with the same model.
    package static let shared: Set<AnalysisRequest.Key> = [
        .frames, .sampling, .resize, .noCache, .model, .dtype,
    ]

    /// The reference of the paired comparison.
    package static let full = MethodSpec(
        label: "full", settings: [Setting(key: .method, text: "full")])

    private init(label: String, settings: [Setting]) {
        self.label = label
        self.settings = settings
    }

    /// Reads and checks names and values. A file that an option names is not opened: who runs the method
    /// decides which folder its path is relative to.
    package init(_ text: String) throws(AnalysisError) {
        label = Self.label(text)
        let parts = label.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        settings = [Setting(key: .method, text: String(parts[0]))]
        if parts.count == 2 { try read(options: parts[1]) }
        // Names and values are checked here, whatever else the run gives this method.
        var request = AnalysisRequest()
        for setting in settings where setting.key != .minference {
            do { try request.set(setting.key, to: setting.text) } catch {
                throw AnalysisError("\(label): \(error)")
            }
        }
    }

    /// How a spec is shown and compared: without spaces around `:`, `,` and `=`; those inside a path stay.
    package static func label(_ text: String) -> String {
        func trimmed(_ text: Substring) -> String {
            text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        func joined(_ text: Substring, _ mark: Character, _ maxSplits: Int = .max) -> String {
            text.split(separator: mark, maxSplits: maxSplits, omittingEmptySubsequences: false)
                .map(trimmed).joined(separator: String(mark))
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return trimmed(text[...]) }
        let options = parts[1].split(separator: ",", omittingEmptySubsequences: false)
            .map { joined($0, "=", 1) }
        return trimmed(parts[0]) + ":" + options.joined(separator: ",")
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
                    "\(label): all methods of a run share \(key.flag); give it outside the method")
            }
            if settings.contains(where: { $0.key == key }) {
                throw AnalysisError("\(label): `\(name)` is given twice")
            }
            settings.append(Setting(key: key, text: String(piece[piece.index(after: equals)...])))
        }
    }
}
