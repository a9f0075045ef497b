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
    /// Stored where it is not as-is, so that what was asked before there was a choice is the same job.
    package var weights = ModelOptions.WeightFormat.asIs
    package var maxNewTokens = 64
    package var prefill = PrefillConfiguration()
    /// Samples the video whatever frames of it are kept. The one setting that changes no answer: it is
    /// stored where it is set.
    package var noCache = false

    package init() {}

    /// Where jobs will run, as far as that decides defaults.
    package enum DeviceKind: Sendable { case cpu, cuda }

    /// Fills a request with the defaults.
    ///
    /// - Throws: for values out of range, and for settings that the method ignores.
    package init(_ request: AnalysisRequest, on device: DeviceKind) throws(AnalysisError) {
        dtype = .auto
        for key in AnalysisRequest.Key.allCases {
            if let text = request.texts[key] { try set(key, to: text) }
        }
        if dtype == .auto { dtype = device == .cpu ? .float32 : .bfloat16 }
        if request.texts[.kv] == nil { prefill.kv = .standard(for: prefill.method) }
        if request.texts[.selectBucket] == nil, prefill.method.selectsTokens, device == .cuda {
            // One GPU plan per prompt length is dear: there the kept count is rounded up.
            prefill.selectBucket = 256
        }
        if request.texts[.retireAfter] == nil, prefill.ffn == .kept { prefill.retireAfter = 3 }
        try refuseIgnored(request)
        try check()
    }

    mutating func set(_ key: AnalysisRequest.Key, to text: String) throws(AnalysisError) {
        do { try key.setting.set(&self, text) } catch {
            throw AnalysisError("\(key.flag): \(error)")
        }
    }

    private func refuseIgnored(_ request: AnalysisRequest) throws(AnalysisError) {
        for key in AnalysisRequest.Key.allCases where request.texts[key] != nil {
            guard let parameter = key.parameter, !parameter.isUsed(by: prefill) else { continue }
            throw AnalysisError(
                "\(key.flag) has no effect with \(choice(over: parameter)); leave it out")
        }
    }

    /// The flag that decides whether a parameter is used, as it stands.
    private func choice(over parameter: PrefillConfiguration.Parameter) -> String {
        switch parameter {
        case .kvGuard, .zipcacheSalient: "--kv \(prefill.kv.rawValue)"
        case .premergeRate: "--premerge \(prefill.premerge.rawValue)"
        default: "--method \(prefill.method.rawValue)"
        }
    }

    func check() throws(AnalysisError) {
        guard (1...65536).contains(frames) else {
            throw AnalysisError("--frames \(frames): expected 1 to 65536")
        }
        guard (1...32768).contains(maxNewTokens) else {
            throw AnalysisError("--max-new-tokens \(maxNewTokens): expected 1 to 32768")
        }
        if let problem = prefill.problem() { throw AnalysisError(problem) }
    }
}
