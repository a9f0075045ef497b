import SparsePrefill

/// A method with the parameters under which devices are compared.
struct AgreeMethod {
    let name: String
    private let make: @Sendable (_ layers: Int, _ heads: Int) -> PrefillConfiguration

    func configuration(bucket: Int, layers: Int, heads: Int, seed: UInt64) -> PrefillConfiguration {
        var configuration = make(layers, heads)
        configuration.selectBucket = bucket
        configuration.seed = seed
        return configuration
    }

    /// Whether a bucket changes anything.
    var usesBucket: Bool { make(1, 1).method.selectsTokens }

    static func named(_ name: String) -> AgreeMethod? { all.first { $0.name == name } }

    static let all = [
        AgreeMethod(name: "full") { _, _ in PrefillConfiguration(method: .full) },
        AgreeMethod(name: "zipvl") { _, _ in PrefillConfiguration(method: .zipvl) },
        AgreeMethod(name: "zipvl-0.9") { _, _ in PrefillConfiguration(method: .zipvl, tau: 0.9) },
        AgreeMethod(name: "zipvl-keys") { _, _ in
            var configuration = PrefillConfiguration(method: .zipvl)
            configuration.rows = .keys
            return configuration
        },
        AgreeMethod(name: "zipvl-corrected") { _, _ in
            var configuration = PrefillConfiguration(method: .zipvl)
            configuration.thresholdRule = .corrected
            return configuration
        },
        AgreeMethod(name: "zipvl-mixed") { _, _ in
            var configuration = PrefillConfiguration(method: .zipvl, kv: .mixed)
            // So that small models quantise something.
            configuration.kvGuard = 0
            return configuration
        },
        AgreeMethod(name: "fixed") { _, _ in PrefillConfiguration(method: .fixed) },
        AgreeMethod(name: "fastv") { _, _ in PrefillConfiguration(method: .fastv) },
        AgreeMethod(name: "qk-sparse") { _, _ in PrefillConfiguration(method: .qkSparse) },
        AgreeMethod(name: "hired") { _, _ in PrefillConfiguration(method: .hired) },
        AgreeMethod(name: "minference") { layers, heads in
            var configuration = PrefillConfiguration(method: .minference)
            // The standard pattern covers prompts of small models whole.
            let patterns: [MInferencePattern] = [
                .verticalAndSlash(vertical: 60, slash: 120), .streaming(initial: 16, local: 128),
                .blockSparse(blocks: 3),
            ]
            configuration.minference = MInferencePatterns(
                layers: (0..<layers).map { layer in
                    Dictionary(
                        uniqueKeysWithValues: (0..<heads).map {
                            ($0, patterns[($0 + layer) % patterns.count])
                        })
                })
            return configuration
        },
    ]
}
