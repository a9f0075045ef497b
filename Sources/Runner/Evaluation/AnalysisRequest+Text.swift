extension AnalysisRequest.Key {
    /// The key of a flag's name, with or without the leading hyphens.
    package init?(flag: String) {
        let name = flag.drop { $0 == "-" }
        guard !name.contains("_") else { return nil }
        self.init(rawValue: String(name).replacing("-", with: "_"))
    }
}

extension AnalysisRequest {
    /// A request of named texts.
    init(_ settings: [MethodSpec.Setting]) throws(AnalysisError) {
        self.init()
        for setting in settings { try set(setting.key, to: setting.text) }
    }
}
