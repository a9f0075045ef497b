import Foundation
import VideoFrames

/// The options of a run in the words of a figure's title.
package struct MethodTitle: Sendable, Equatable {
    /// "zipvl, tau 0.975"
    package var method: String
    /// The other settings of the method: "kv discard, rows zero, …"
    package var settings: String

    /// Settings that say nothing of which tokens are kept.
    private static let others: Set<String> = [
        "dtype", "frames", "max_new_tokens", "method", "resize", "tau",
    ]
    /// Values that mean "not used".
    private static let unused = [
        "dense_below": "0", "ffn": "all", "premerge": "none", "retire_after": "0",
        "sampling": "exact", "select_bucket": "1",
    ]

    /// - Parameter optionsJSON: what a job and a trace store; settings that are not text, numbers or lists
    ///   of them are left out
    package init(optionsJSON: String) {
        let parsed = try? JSONSerialization.jsonObject(with: Data(optionsJSON.utf8))
        let options = parsed as? [String: Any] ?? [:]
        method = Self.text(options["method"]) ?? "method not stated"
        if let tau = Self.text(options["tau"]) { method += ", tau \(tau)" }
        let named = options.keys.sorted().compactMap { key -> String? in
            guard !Self.others.contains(key), let text = Self.text(options[key]),
                text != Self.unused[key]
            else { return nil }
            let mode = key == "sampling" ? SamplingMode(rawValue: text) : nil
            return key.replacing("_", with: "-") + " " + (mode?.title ?? text)
        }
        settings = named.joined(separator: ", ")
    }

    private static func text(_ value: Any?) -> String? {
        switch value {
        case let text as String: text.isEmpty ? nil : text
        case let number as NSNumber: "\(number)"
        case let list as [NSNumber] where !list.isEmpty: list.map { "\($0)" }.joined(separator: ",")
        default: nil
        }
    }
}
