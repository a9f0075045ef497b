import Jobs

/// Which methods an evaluation runs at which numbers of frames, with all their options.
package struct EvaluationPlan: Sendable {
    package struct Method: Sendable, Equatable {
        package var label: String
        package var options: AnalysisOptions
        package var frames: Int { options.frames }

        var record: EvaluationMethod {
            EvaluationMethod(label: label, frames: frames, optionsJSON: options.json)
        }
    }

    /// By number of frames, then in the order of the command line; `full` is always among them.
    package var methods: [Method] = []
    package var frames: [Int]

    /// - Parameters:
    ///   - specs: none stands for `full` and `zipvl`
    ///   - outside: flags that are no part of a spec; they go to every method that takes them
    /// - Throws: for values out of range, for options that their method ignores, and for outside flags
    ///   that no method takes
    package init(
        specs: [String], outside: [AnalysisRequest.Key: String], frames: [Int],
        on device: AnalysisOptions.DeviceKind
    ) throws(AnalysisError) {
        var parsed: [MethodSpec] = []
        for text in specs.isEmpty ? ["zipvl"] : specs { parsed.append(try MethodSpec(text)) }
        if !parsed.contains(where: { $0.label == MethodSpec.full.label }) {
            parsed.insert(.full, at: 0)
        }
        self.frames = []
        for count in frames where !self.frames.contains(count) { self.frames.append(count) }

        var taken = Set<AnalysisRequest.Key>()
        for count in self.frames {
            for spec in parsed {
                let method = try Self.method(spec, outside, count, device, &taken)
                if let same = methods.first(where: { $0.options == method.options }) {
                    throw AnalysisError(
                        "--method \(spec.label) is the same as \(same.label): both have the options "
                            + method.options.json)
                }
                if methods.contains(where: { $0.label == method.label && $0.frames == count }) {
                    throw AnalysisError("--method \(spec.label) is given twice")
                }
                methods.append(method)
            }
        }
        try Self.refuseUnused(Set(outside.keys).subtracting(taken), outside, parsed, device)
    }

    private static func method(
        _ spec: MethodSpec, _ outside: [AnalysisRequest.Key: String], _ frames: Int,
        _ device: AnalysisOptions.DeviceKind, _ taken: inout Set<AnalysisRequest.Key>
    ) throws(AnalysisError) -> Method {
        var settings = spec.settings
        var pending: [MethodSpec.Setting] = []
        for key in AnalysisRequest.Key.allCases {
            guard let text = outside[key] else { continue }
            // What the spec says itself goes before.
            if settings.contains(where: { $0.key == key }) {
                taken.insert(key)
                continue
            }
            let setting = MethodSpec.Setting(key: key, text: text)
            if MethodSpec.shared.contains(key) {
                settings.append(setting)
                taken.insert(key)
            } else {
                pending.append(setting)
            }
        }
        func options(_ settings: [MethodSpec.Setting]) throws(AnalysisError) -> AnalysisOptions {
            var request = try AnalysisRequest(settings)
            request.frames = frames
            return try AnalysisOptions(request, on: device)
        }
        // All at once first: some flags are only taken beside others.
        if let all = try? options(settings + pending) {
            taken.formUnion(pending.map(\.key))
            return Method(label: spec.label, options: all)
        }
        var found = try options(settings)
        var isChanging = true
        while isChanging {
            isChanging = false
            for setting in pending {
                guard let more = try? options(settings + [setting]) else { continue }
                found = more
                settings.append(setting)
                pending.removeAll { $0 == setting }
                taken.insert(setting.key)
                isChanging = true
            }
        }
        return Method(label: spec.label, options: found)
    }

    private static func refuseUnused(
        _ unused: Set<AnalysisRequest.Key>, _ outside: [AnalysisRequest.Key: String],
        _ specs: [MethodSpec], _ device: AnalysisOptions.DeviceKind
    ) throws(AnalysisError) {
        guard let key = AnalysisRequest.Key.allCases.first(where: unused.contains),
            let text = outside[key]
        else { return }
        // The last method says why; `full` takes the least of all.
        let spec = specs.last { $0.label != MethodSpec.full.label } ?? .full
        let request = try AnalysisRequest(
            spec.settings + [MethodSpec.Setting(key: key, text: text)])
        _ = try AnalysisOptions(request, on: device)
        throw AnalysisError("no method takes \(key.flag) \(text)")
    }
}
