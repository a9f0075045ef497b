import Foundation
import LongVA
import SparsePrefill

extension AnalysisOptions {
    /// Canonical: keys sorted, no spaces, and only what the method uses. Equal options have equal text.
    package var json: String {
        let members = AnalysisRequest.Key.allCases.filter(stores).flatMap(\.setting.members)
            .sorted { $0.name < $1.name }
        return "{" + members.map { "\"\($0.name)\":\($0.json(self))" }.joined(separator: ",") + "}"
    }

    /// The method and what differs from its defaults, by the flags' names: `zipvl:tau=0.96,rows=keys`.
    package var methodLabel: String {
        var usual = AnalysisOptions()
        usual.prefill = PrefillConfiguration(method: prefill.method)
        var differences: [String] = []
        for key in AnalysisRequest.Key.allCases where stores(key) && key.isOfMethod {
            let values = key.setting.members.map { ($0.name, $0.json(self), $0.json(usual)) }
            for (name, value, other) in values where value != other {
                // Patterns fill pages.
                let text = key == .minference ? "..." : value.filter { $0 != "\"" }
                differences.append("\(name.replacing("_", with: "-"))=\(text)")
            }
        }
        let name = prefill.method.rawValue
        return differences.isEmpty ? name : name + ":" + differences.joined(separator: ",")
    }

    private func stores(_ key: AnalysisRequest.Key) -> Bool {
        if key == .noCache { return noCache }
        if key == .weights { return weights != .asIs }
        // The view `results` has a column for `ffn`.
        return key == .ffn || key.parameter?.isUsed(by: prefill) ?? true
    }

    /// Reads `json` back. Parameters that came with later versions may be missing: their defaults are
    /// what was done before.
    ///
    /// - Throws: when a value is missing, unknown or out of range, and when there is more than this
    ///   version knows, for instance in a job that a newer one enqueued.
    package init(json: String) throws(AnalysisError) {
        var isComplete = true
        do {
            let stored = try JSONDecoder().decode(StoredOptions.self, from: Data(json.utf8))
            var known: Set<String> = []
            func read(_ keys: [AnalysisRequest.Key], isRequired: Bool) throws {
                for member in keys.flatMap(\.setting.members) {
                    let isThere = try member.read(&self, stored)
                    if isRequired, !isThere { isComplete = false }
                    known.insert(member.name)
                }
            }
            // The method first: it says which parameters there are.
            let optional: [AnalysisRequest.Key] = [.noCache, .weights]
            let keys = AnalysisRequest.Key.allCases.filter { !optional.contains($0) }
            try read(optional, isRequired: false)
            try read(keys.filter { $0 == .ffn || $0.parameter == nil }, isRequired: true)
            try read(keys.filter { $0 != .ffn && stores($0) }, isRequired: false)
            isComplete = isComplete && stored.names.isSubset(of: known)
        } catch {
            throw AnalysisError("the job's options cannot be read by this version: \(error)")
        }
        let usesFFN = PrefillConfiguration.Parameter.ffn.isUsed(by: prefill)
        guard isComplete, dtype != .auto, usesFFN || prefill.ffn == .all else {
            throw AnalysisError("the job's options are of another version: \(json)")
        }
        try check()
    }
}

extension AnalysisRequest.Key {
    /// Whether it is part of how the answer is computed, the method's own name left out.
    fileprivate var isOfMethod: Bool {
        parameter != nil || self == .kv || self == .premerge || self == .weights
    }
}

/// A job's options as stored, not yet understood.
struct StoredOptions: Decodable {
    private let values: KeyedDecodingContainer<Name>

    init(from decoder: any Decoder) throws {
        values = try decoder.container(keyedBy: Name.self)
    }

    var names: Set<String> { Set(values.allKeys.map(\.stringValue)) }

    /// `nil` when there is no such value.
    func value<Value: Decodable>(_ type: Value.Type, _ name: String) throws -> Value? {
        try values.decodeIfPresent(type, forKey: Name(stringValue: name))
    }

    private struct Name: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
