package import LongVA
package import SparsePrefill
package import VideoFrames

/// The analysis settings that a person named; the rest are `nil` and take their defaults.
package struct AnalysisRequest: Sendable, Equatable {
    /// `embedded` or a directory.
    package var model: String?
    package var frames: Int?
    package var sampling: SamplingMode?
    package var resize: ResizeFilter?
    package var dtype: ModelOptions.DTypeChoice?
    package var maxNewTokens: Int?
    package var seed: UInt64?
    package var method: PrefillMethod?
    package var tau: Double?
    package var probes: ProbeCounts?
    package var kv: KVRetention?
    package var denseBelow: Int?
    package var selectBucket: Int?

    package init() {}

    /// Keys of a job file's `analysis:` block; with hyphens, the flags.
    package enum Key: String, CaseIterable, Sendable {
        case frames, sampling, resize, model, dtype
        case maxNewTokens = "max_new_tokens"
        case seed, method, tau, probes, kv
        case denseBelow = "dense_below"
        case selectBucket = "select_bucket"

        package var flag: String { "--" + rawValue.replacing("_", with: "-") }
    }

    /// Sets one value from its text, as a job file gives it.
    package mutating func set(_ key: Key, to text: String) throws(AnalysisError) {
        func choice<T: RawRepresentable<String> & CaseIterable>(
            _ type: T.Type
        ) throws(AnalysisError) -> T {
            if let value = T(rawValue: text) { return value }
            let known = T.allCases.map(\.rawValue).joined(separator: ", ")
            throw AnalysisError("\(key.rawValue): expected one of \(known), found `\(text)`")
        }
        func number<T: LosslessStringConvertible>(
            _ type: T.Type, _ what: String
        ) throws(AnalysisError) -> T {
            guard let value = T(text) else {
                throw AnalysisError("\(key.rawValue): expected \(what), found `\(text)`")
            }
            return value
        }
        switch key {
        case .model: model = text
        case .sampling: sampling = try choice(SamplingMode.self)
        case .resize: resize = try choice(ResizeFilter.self)
        case .dtype: dtype = try choice(ModelOptions.DTypeChoice.self)
        case .method: method = try choice(PrefillMethod.self)
        case .kv: kv = try choice(KVRetention.self)
        case .frames: frames = try number(Int.self, "a whole number")
        case .maxNewTokens: maxNewTokens = try number(Int.self, "a whole number")
        case .seed: seed = try number(UInt64.self, "a whole number that is not negative")
        case .tau: tau = try number(Double.self, "a number")
        case .denseBelow: denseBelow = try number(Int.self, "a whole number")
        case .selectBucket: selectBucket = try number(Int.self, "a whole number")
        case .probes: probes = try number(ProbeCounts.self, "two numbers as recent,random")
        }
    }

    /// This request's values, and the other's where it has none.
    package func filled(from other: AnalysisRequest) -> AnalysisRequest {
        var result = self
        result.model = model ?? other.model
        result.frames = frames ?? other.frames
        result.sampling = sampling ?? other.sampling
        result.resize = resize ?? other.resize
        result.dtype = dtype ?? other.dtype
        result.maxNewTokens = maxNewTokens ?? other.maxNewTokens
        result.seed = seed ?? other.seed
        result.method = method ?? other.method
        result.tau = tau ?? other.tau
        result.probes = probes ?? other.probes
        result.kv = kv ?? other.kv
        result.denseBelow = denseBelow ?? other.denseBelow
        result.selectBucket = selectBucket ?? other.selectBucket
        return result
    }
}

/// How many rows ZipVL probes: the most recent ones, and seeded random ones before them.
package struct ProbeCounts: Sendable, Hashable, LosslessStringConvertible {
    package var recent: Int
    package var random: Int

    package init(recent: Int = 64, random: Int = 64) {
        self.recent = recent
        self.random = random
    }

    /// Reads `64,64`.
    package init?(_ description: String) {
        let parts = description.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 2, let recent = Int(parts[0].drop { $0 == " " }),
            let random = Int(parts[1].drop { $0 == " " })
        else { return nil }
        self.init(recent: recent, random: random)
    }

    package var description: String { "\(recent),\(random)" }
}

/// A setting that cannot be used: a wrong value, or one that the chosen method would ignore.
package struct AnalysisError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

extension SamplingMode: CaseIterable {
    package static let allCases: [SamplingMode] = [.exact]
}

extension ResizeFilter: CaseIterable {
    package static let allCases: [ResizeFilter] = [.pillow, .swscale]
}
