package import Torch

/// Dense attention of the last rows of a prompt whose first rows have been through the decoder: the keys
/// and values of these are at hand.
package struct SuffixPrefill: PrefillPolicy {
    /// One layer's keys and values of the first rows, [1, Hkv, P, d].
    package struct Entries {
        package let keys: Tensor
        package let values: Tensor

        package init(keys: Tensor, values: Tensor) {
            self.keys = keys
            self.values = values
        }
    }

    /// By layer. A policy is used where its model lives, and nowhere else.
    private nonisolated(unsafe) let prefix: [Entries]
    /// [g S, P + S], true where a row may see a key; the S rows once for each of the g heads of a group.
    private nonisolated(unsafe) let mask: Tensor

    /// - Parameters:
    ///   - rows: S
    ///   - geometry: of the model's attention
    package init(
        prefix: [Entries], rows: Int, geometry: AttentionGeometry, on device: Device
    ) throws(TorchError) {
        self.prefix = prefix
        let before = prefix.first?.keys.shape[2] ?? 0
        let last = try Tensor(Array(before..<before + rows), shape: [rows, 1], on: device)
        let visible = try Tensor.range(before + rows, on: device) <= last  // [S, P + S]
        let group = geometry.heads / geometry.keyValueHeads
        mask = try visible.unsqueezed(0).expanded([group, -1, -1]).reshaped([group * rows, -1])
    }

    /// - Returns: the cached entries are those of the whole prompt; the report is that of the last rows.
    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let before = prefix[context.layer]
        let keys = try Tensor.concatenated([before.keys, projections.keys(nil)], axis: 2)
        let values = try Tensor.concatenated([before.values, projections.values(nil)], axis: 2)
        let queries = try projections.queries(nil)  // [1, H, S, d]
        let (heads, rows, width) = (queries.shape[1], queries.shape[2], queries.shape[3])
        let keyHeads = keys.shape[1]
        // The query heads of a group become rows of one attention: no key is copied for each.
        let output = try context.profile.measure(.attention) {
            try queries.reshaped([1, keyHeads, heads / keyHeads * rows, width])
                .attention(keys: keys, values: values, mask: mask)
        }
        return LayerAttention(
            output: try output.reshaped([1, heads, rows, width]), keys: keys, values: values,
            report: .dense(rows))
    }
}
