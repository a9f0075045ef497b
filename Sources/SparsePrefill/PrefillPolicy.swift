package import Torch

/// Decides what a long prompt may skip in one attention layer.
///
/// A policy gets the layer's projections as functions of row indices, so that no row is computed that
/// nothing uses. It never sees the model. Policies are stateless values: adding a method is one file
/// and one case of `PrefillMethod`.
package protocol PrefillPolicy: Sendable {
    /// One layer's attention over the prompt.
    ///
    /// A policy may drop visual tokens only, never looks at future tokens, and gives the last token
    /// an output.
    func attend(_ projections: LayerProjections, in context: LayerContext) throws -> LayerAttention
}

/// One layer's linear projections of the normalised hidden states, split into heads, with RoPE at
/// the tokens' original positions. `rows` are ascending int64 positions; `nil` stands for all.
package struct LayerProjections {
    /// [1, H, R, d]
    package let queries: (_ rows: Tensor?) throws -> Tensor
    /// [1, Hkv, R, d]
    package let keys: (_ rows: Tensor?) throws -> Tensor
    /// [1, Hkv, R, d]
    package let values: (_ rows: Tensor?) throws -> Tensor

    package init(
        queries: @escaping (Tensor?) throws -> Tensor, keys: @escaping (Tensor?) throws -> Tensor,
        values: @escaping (Tensor?) throws -> Tensor
    ) {
        self.queries = queries
        self.keys = keys
        self.values = values
    }
}

/// What a policy returns for one layer.
package struct LayerAttention {
    /// Rows that have an attention output, ascending int64 [R]; `nil` is all. The other rows pass
    /// through the residual.
    package var rows: Tensor?
    /// [1, H, R, d]
    package var output: Tensor
    /// What stays in the KV cache, [1, Hkv, K, d] each.
    package var keys: Tensor
    package var values: Tensor
    package var report: LayerReport

    package init(
        rows: Tensor? = nil, output: Tensor, keys: Tensor, values: Tensor, report: LayerReport
    ) {
        self.rows = rows
        self.output = output
        self.keys = keys
        self.values = values
        self.report = report
    }
}
