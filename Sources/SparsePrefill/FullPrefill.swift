import Torch

/// Dense causal attention: what every other method is compared with.
package struct FullPrefill: PrefillPolicy {
    package init() {}

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let (queries, keys, values) = try projections.all()  // [1, H or Hkv, n, d]
        let output = try context.profile.measure(.attention) {
            try queries.attention(keys: keys, values: values, isCausal: true)
        }
        return LayerAttention(
            output: output, keys: keys, values: values, report: .dense(context.layout.count))
    }
}
