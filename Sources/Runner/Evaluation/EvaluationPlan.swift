import Jobs

/// Which methods an evaluation runs at which numbers of frames, with all their options.
package struct EvaluationPlan: Sendable {
    package struct Method: Sendable, Equatable {
        /// As typed; what the tables name it.
        package var label: String
        package var options: AnalysisOptions
        /// Outside flags that this method takes.
        package var outside: [MethodSpec.Setting] = []
        package var frames: Int { options.frames }

        /// The label with the outside flags in it: runs that differ in these only are not mixed up.
        var storedLabel: String {
            guard !outside.isEmpty else { return label }
            let texts = outside.map { setting in
                "\(setting.key.flag.drop { $0 == "-" })=\(setting.text)"
            }
            return label + (label.contains(":") ? "," : ":") + texts.joined(separator: ",")
        }

        var record: EvaluationMethod {
            EvaluationMethod(label: storedLabel, frames: frames, optionsJSON: options.json)
        }
    }

    /// By number of frames, then in the order of the command line; `full` is always among them.
    package var methods: [Method] = []
    package var frames: [Int]
    /// Flags that are no part of a spec, as given.
    package var outside: [MethodSpec.Setting]

    /// - Parameters:
    ///   - specs: none stands for `full` and `zipvl`
    ///   - outside: flags that are no part of a spec; they go to every method that takes them
    /// - Throws: for values out of range, for options that their method ignores, and for outside flags
    ///   that no method takes
    package init(
        specs: [String], outside: [AnalysisRequest.Key: String], frames: [Int],
        on device: AnalysisOptions.DeviceKind
    ) throws(AnalysisError) {
        self.outside = AnalysisRequest.Key.allCases.compactMap { key in
            outside[key].map { MethodSpec.Setting(key: key, text: $0) }
        }
        for setting in self.outside {
            // A value out of range is so for every method.
            var options = AnalysisOptions()
            try options.set(setting.key, to: setting.text)
            try options.check()
        }
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
        // Outside flags that this method takes, and those of which it is not known yet.
        var used: [MethodSpec.Setting] = []
        var pending: [MethodSpec.Setting] = []
        for key in AnalysisRequest.Key.allCases {
            guard let text = outside[key] else { continue }
            // What the spec says itself goes before.
            if spec.settings.contains(where: { $0.key == key }) {
                taken.insert(key)
                continue
            }
            let setting = MethodSpec.Setting(key: key, text: text)
            if MethodSpec.shared.contains(key) {
                used.append(setting)
            } else {
                pending.append(setting)
            }
        }
        func options(_ outside: [MethodSpec.Setting]) throws(AnalysisError) -> AnalysisOptions {
            var request = try AnalysisRequest(spec.settings + outside)
            request.frames = frames
            return try AnalysisOptions(request, on: device)
        }
        // All at once first: some flags are only taken beside others.
        var found = try? options(used + pending)
        if found != nil {
            used += pending
        } else {
            found = try? options(used)
            var isChanging = true
            while isChanging {
                isChanging = false
                for setting in pending {
                    guard let more = try? options(used + [setting]) else { continue }
                    found = more
                    used.append(setting)
                    pending.removeAll { $0 == setting }
                    isChanging = true
                }
            }
        }
        taken.formUnion(used.map(\.key))
        do {
            // The model belongs to the evaluation.
            return Method(
                label: spec.label, options: try found ?? options(used),
                outside: used.filter { $0.key != .model })
        } catch {
            throw AnalysisError("\(spec.label): \(error)")
        }
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
