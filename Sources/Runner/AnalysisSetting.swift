import SparsePrefill

/// One setting: how its text is read into the options, and under which names they store it.
struct AnalysisSetting {
    /// Throws what is wrong with the text, in words that need the setting's name before them.
    let set: (inout AnalysisOptions, String) throws(AnalysisError) -> Void
    let members: [Member]

    /// One value of the stored JSON.
    struct Member {
        let name: String
        let json: (AnalysisOptions) -> String
        /// - Returns: whether there was a value
        let read: (inout AnalysisOptions, StoredOptions) throws -> Bool

        init<Value: StoredValue>(
            _ name: String, _ path: WritableKeyPath<AnalysisOptions, Value>
        ) {
            self.name = name
            json = { $0[keyPath: path].json }
            read = { options, stored in
                guard let value = try stored.value(Value.self, name) else { return false }
                options[keyPath: path] = value
                return true
            }
        }
    }
}

extension AnalysisSetting {
    /// The usual case: a text, a value and a member of the JSON.
    init<Value: SettingValue>(
        _ key: AnalysisRequest.Key, _ path: WritableKeyPath<AnalysisOptions, Value>
    ) {
        set = { (options, text) throws(AnalysisError) in
            guard let value = Value(text: text) else {
                throw AnalysisError("expected \(Value.expectation), found `\(text)`")
            }
            options[keyPath: path] = value
        }
        members = [Member(key.rawValue, path)]
    }

    /// The job stores the model beside its options.
    static var model: AnalysisSetting { AnalysisSetting(set: { _, _ in }, members: []) }

    /// `64,32`: recent rows, random rows.
    static var probes: AnalysisSetting {
        AnalysisSetting(
            set: { (options, text) throws(AnalysisError) in
                let parts = text.split(separator: ",", omittingEmptySubsequences: false)
                    .map { Int($0.filter { $0 != " " }) }
                guard parts.count == 2, let recent = parts[0], let random = parts[1] else {
                    throw AnalysisError(
                        "expected two whole numbers as recent,random, found `\(text)`")
                }
                options.prefill.probesRecent = recent
                options.prefill.probesRandom = random
            },
            members: [
                Member("probes_random", \.prefill.probesRandom),
                Member("probes_recent", \.prefill.probesRecent),
            ])
    }

    /// Named by a file, stored by what the file says.
    static var minference: AnalysisSetting {
        AnalysisSetting(
            set: { (options, path) throws(AnalysisError) in
                do {
                    options.prefill.minference = try MInferencePatterns(contentsOf: path)
                } catch {
                    throw AnalysisError("\(error)")
                }
            },
            members: [Member(AnalysisRequest.Key.minference.rawValue, \.prefill.minference)])
    }
}

extension AnalysisRequest.Key {
    var setting: AnalysisSetting {
        switch self {
        case .frames: .init(self, \.frames)
        case .sampling: .init(self, \.sampling)
        case .resize: .init(self, \.resize)
        case .noCache: .init(self, \.noCache)
        case .model: .model
        case .dtype: .init(self, \.dtype)
        case .weights: .init(self, \.weights)
        case .maxNewTokens: .init(self, \.maxNewTokens)
        case .seed: .init(self, \.prefill.seed)
        case .method: .init(self, \.prefill.method)
        case .tau: .init(self, \.prefill.tau)
        case .thresholdRule: .init(self, \.prefill.thresholdRule)
        case .select: .init(self, \.prefill.select)
        case .norm: .init(self, \.prefill.norm)
        case .probes: .probes
        case .probeRule: .init(self, \.prefill.probeRule)
        case .ratio: .init(self, \.prefill.ratio)
        case .qkRatio: .init(self, \.prefill.qkRatio)
        case .selectBucket: .init(self, \.prefill.selectBucket)
        case .rows: .init(self, \.prefill.rows)
        case .ffn: .init(self, \.prefill.ffn)
        case .retireAfter: .init(self, \.prefill.retireAfter)
        case .denseBelow: .init(self, \.prefill.denseBelow)
        case .denseLayers: .init(self, \.prefill.denseLayers)
        case .fastvLayer: .init(self, \.prefill.fastvLayer)
        case .fastvDrop: .init(self, \.prefill.fastvDrop)
        case .minference: .minference
        case .hiredBudget: .init(self, \.prefill.hiredBudget)
        case .premerge: .init(self, \.prefill.premerge)
        case .premergeRate: .init(self, \.prefill.premergeRate)
        case .kv: .init(self, \.prefill.kv)
        case .zipcacheSalient: .init(self, \.prefill.zipcacheSalient)
        case .kvGuard: .init(self, \.prefill.kvGuard)
        }
    }
}
