package import Torch

/// Decides what a long prompt may skip.
///
/// A policy acts at three moments: it may choose visual tokens before the decoder, it attends in one
/// layer, and it may say which tokens go on to the next layer. It gets the layer's projections as
/// functions of row indices, so that no row is computed that nothing uses, and never sees the model.
/// Policies are stateless values: adding a method is one file and one case of `PrefillMethod`.
package protocol PrefillPolicy: Sendable {
    /// Whether `chooseVisualTokens` reads the vision tower's class attention.
    var needsClassAttention: Bool { get }

    /// The visual tokens that enter the decoder, ascending and among the candidates; `nil` is all
    /// candidates.
    func chooseVisualTokens(_ visual: VisualTokens) throws -> [Int]?

    /// One layer's attention over the tokens that are still there.
    ///
    /// A policy may drop visual tokens only, never looks at future tokens, and gives the last token
    /// an output. All indices are rows of the layer's sequence, 0..<`context.layout.count`.
    func attend(_ projections: LayerProjections, in context: LayerContext) throws -> LayerAttention
}

extension PrefillPolicy {
    package var needsClassAttention: Bool { false }
    package func chooseVisualTokens(_ visual: VisualTokens) throws -> [Int]? { nil }
}

/// One layer's linear projections of the normalised hidden states, split into heads, with RoPE at
/// the tokens' original positions. `rows` are ascending int64 rows of the layer's sequence; `nil`
/// stands for all.
package struct LayerProjections {
    /// [1, H, R, d]
    package let queries: (_ rows: Tensor?) throws -> Tensor
    /// [1, Hkv, R, d]
    package let keys: (_ rows: Tensor?) throws -> Tensor
    /// [1, Hkv, R, d]
    package let values: (_ rows: Tensor?) throws -> Tensor
    /// Both for the same rows, in one product where the weights are stacked.
    package let queriesAndValues: (_ rows: Tensor?) throws -> (queries: Tensor, values: Tensor)
    /// For every row.
    package let all: () throws -> (queries: Tensor, keys: Tensor, values: Tensor)

    package init(
        queries: @escaping (Tensor?) throws -> Tensor, keys: @escaping (Tensor?) throws -> Tensor,
        values: @escaping (Tensor?) throws -> Tensor,
        queriesAndValues: ((Tensor?) throws -> (queries: Tensor, values: Tensor))? = nil,
        all: (() throws -> (queries: Tensor, keys: Tensor, values: Tensor))? = nil
    ) {
        self.queries = queries
        self.keys = keys
        self.values = values
        self.queriesAndValues = queriesAndValues ?? { (try queries($0), try values($0)) }
        self.all = all ?? { (try queries(nil), try keys(nil), try values(nil)) }
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
    /// Rows of the cached entries, ascending [K]; `nil` is all.
    package var cachedRows: RowList?
    /// Whether the feed-forward layer runs on `rows` only; the others then leave the layer unchanged.
    package var skipsFeedForward = false
    /// Rows that go on to the next layer, ascending; `nil` is all.
    package var remaining: [Int]?
    package var report: LayerReport
    /// Adds to the report what the device alone knows so far; waits for it. Best called after the work
    /// of all layers was queued.
    package var deferred: ((inout LayerReport) throws -> Void)?

    /// Lets go of the output, which nobody needs once it is projected.
    package mutating func releaseOutput() throws(TorchError) {
        output = try Tensor.empty([0], try output.dtype(), on: try output.device())
    }

    package init(
        rows: Tensor? = nil, output: Tensor, keys: Tensor, values: Tensor,
        cachedRows: [Int]? = nil, report: LayerReport
    ) {
        self.rows = rows
        self.output = output
        self.keys = keys
        self.values = values
        self.cachedRows = cachedRows.map(RowList.known)
        self.report = report
    }

    /// Brings the report up to date now.
    package mutating func complete() throws {
        try deferred?(&report)
        deferred = nil
    }
}
