package import SparsePrefill

/// How a cache stores what it is given: which layers are quantised, and by which rule generated tokens
/// are when they leave the buffer.
package struct KVCachePlan: Sendable, Equatable {
    package let retention: KVRetention
    package let layerCount: Int
    /// This many layers at each end stay in 16 bits: Qwen2's keys there have biases far larger than
    /// what tells them apart.
    package let guardLayers: Int
    package let generated: GeneratedSaliency
    /// Whether keys are quantised without their rotated bias, which is added back at read. Without it
    /// a large bias spends the grid on what every key has in common.
    package var removesKeyBias = true

    package init(_ configuration: PrefillConfiguration, layerCount: Int) {
        retention = configuration.kv
        self.layerCount = layerCount
        guardLayers = configuration.kvGuard
        generated =
            if configuration.kv == .zipcache {
                .shareOfEachHead(configuration.zipcacheSalient)
            } else if configuration.method == .fixed {
                .share(configuration.ratio)
            } else {
                .mass(configuration.tau)
            }
    }

    package func quantizes(_ layer: Int) -> Bool {
        retention.quantizes(layer: layer, of: layerCount, guardLayers: guardLayers)
    }
}
