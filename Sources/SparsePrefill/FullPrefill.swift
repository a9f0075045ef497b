import Torch

/// Dense causal attention: what every other method is compared with.
package struct FullPrefill: PrefillPolicy {
    package init() {}

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let keys = try projections.keys(nil)  // [1, Hkv, n, d]
        let values = try projections.values(nil)
        let queries = try projections.queries(nil)  // [1, H, n, d]
        let output = try context.profile.measure(.attention) {
            try queries.attention(keys: keys, values: values, isCausal: true)
        }
        return LayerAttention(
            output: output, keys: keys, values: values, report: .dense(context.layout.count))
    }
}
