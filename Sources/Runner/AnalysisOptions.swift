import Foundation
package import LongVA
package import SparsePrefill
package import VideoFrames

/// Every setting that can change an answer, resolved: what a job stores (`configs.options_json`) and a
/// worker reads back.
package struct AnalysisOptions: Sendable, Equatable {
    package var frames = 64
    package var sampling = SamplingMode.exact
    package var resize = ResizeFilter.pillow
    /// Never `auto`: what it became is stored.
    package var dtype = ModelOptions.DTypeChoice.float32
    package var maxNewTokens = 64
    package var prefill = PrefillConfiguration()

    package init() {}

    /// Where jobs will run, as far as that decides defaults.
    package enum DeviceKind: Sendable { case cpu, cuda }

    /// Fills a request with the defaults.
    ///
    /// - Throws: for values out of range, and for settings that the method ignores.
    package init(_ request: AnalysisRequest, on device: DeviceKind) throws(AnalysisError) {
        frames = request.frames ?? 64
        sampling = request.sampling ?? .exact
        resize = request.resize ?? .pillow
        maxNewTokens = request.maxNewTokens ?? 64
        dtype =
            switch request.dtype ?? .auto {
            case .auto: device == .cpu ? .float32 : .bfloat16
            case let named: named
            }
        let method = request.method ?? .zipvl
        try Self.refuseIgnored(request, by: method)
        // One GPU plan per prompt length is dear: there the kept count is rounded up.
        let bucket = method == .zipvl && device == .cuda ? 256 : 1
        prefill = PrefillConfiguration(
            method: method, tau: request.tau ?? 0.975,
            probesRecent: request.probes?.recent ?? 64, probesRandom: request.probes?.random ?? 64,
            seed: request.seed ?? 0, kv: request.kv, denseBelow: request.denseBelow ?? 0,
            selectBucket: request.selectBucket ?? bucket)
        guard (1...65536).contains(frames) else {
            throw AnalysisError("--frames \(frames): expected 1 to 65536")
        }
        guard (1...32768).contains(maxNewTokens) else {
            throw AnalysisError("--max-new-tokens \(maxNewTokens): expected 1 to 32768")
        }
        if let problem = prefill.problem() { throw AnalysisError(problem) }
    }

    private static func refuseIgnored(
        _ request: AnalysisRequest, by method: PrefillMethod
    ) throws(AnalysisError) {
        guard method == .full else { return }
        let named: [(AnalysisRequest.Key, Bool)] = [
            (.tau, request.tau != nil), (.probes, request.probes != nil),
            (.denseBelow, request.denseBelow != nil),
            (.selectBucket, request.selectBucket != nil),
            (.kv, request.kv != nil && request.kv != .full),
        ]
        for (key, isNamed) in named where isNamed {
            throw AnalysisError("\(key.flag) has no effect with --method full; leave it out")
        }
    }
}

extension AnalysisOptions {
    /// Canonical: keys sorted, no spaces, and only what the method uses. Equal options have equal text.
    package var json: String {
        var values: [String: OptionValue] = [
            "dtype": .text(dtype.rawValue), "ffn": .text("all"), "frames": .integer(frames),
            "kv": .text(prefill.kv.rawValue), "max_new_tokens": .integer(maxNewTokens),
            "method": .text(prefill.method.rawValue), "premerge": .text("none"),
            "resize": .text(resize.rawValue), "sampling": .text(sampling.rawValue),
            "seed": .unsigned(prefill.seed),
        ]
        if prefill.method == .zipvl {
            values["dense_below"] = .integer(prefill.denseBelow)
            values["probes_random"] = .integer(prefill.probesRandom)
            values["probes_recent"] = .integer(prefill.probesRecent)
            values["rows"] = .text("zero")
            values["select_bucket"] = .integer(prefill.selectBucket)
            values["tau"] = .real(prefill.tau)
        }
        let members = values.sorted { $0.key < $1.key }.map { "\"\($0)\":\($1.json)" }
        return "{" + members.joined(separator: ",") + "}"
    }

    /// Reads `json` back.
    ///
    /// - Throws: when a value is missing or unknown, for instance of a job that a newer version enqueued.
    package init(json: String) throws(AnalysisError) {
        let stored: Stored
        do {
            stored = try JSONDecoder().decode(Stored.self, from: Data(json.utf8))
        } catch {
            throw AnalysisError("the job's options cannot be read by this version: \(error)")
        }
        guard stored.ffn == "all", stored.premerge == "none", stored.rows ?? "zero" == "zero" else {
            throw AnalysisError("the job's options are of another version: \(json)")
        }
        (frames, sampling, resize) = (stored.frames, stored.sampling, stored.resize)
        (dtype, maxNewTokens) = (stored.dtype, stored.max_new_tokens)
        prefill = PrefillConfiguration(
            method: stored.method, tau: stored.tau ?? 0.975,
            probesRecent: stored.probes_recent ?? 64, probesRandom: stored.probes_random ?? 64,
            seed: stored.seed, kv: stored.kv, denseBelow: stored.dense_below ?? 0,
            selectBucket: stored.select_bucket ?? 1)
        if let problem = prefill.problem() { throw AnalysisError(problem) }
    }

    // The names are the stored keys.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct Stored: Decodable {
        var dense_below: Int?
        var dtype: ModelOptions.DTypeChoice
        var ffn: String
        var frames: Int
        var kv: KVRetention
        var max_new_tokens: Int
        var method: PrefillMethod
        var premerge: String
        var probes_random: Int?
        var probes_recent: Int?
        var resize: ResizeFilter
        var rows: String?
        var sampling: SamplingMode
        var seed: UInt64
        var select_bucket: Int?
        var tau: Double?
    }
}

/// A value of the canonical JSON. The texts are names, which need no escapes.
private enum OptionValue {
    case integer(Int)
    case unsigned(UInt64)
    case real(Double)
    case text(String)

    var json: String {
        switch self {
        case .integer(let value): "\(value)"
        case .unsigned(let value): "\(value)"
        // Swift prints the shortest digits that give the same number back.
        case .real(let value): "\(value)"
        case .text(let value): "\"\(value)\""
        }
    }
}
