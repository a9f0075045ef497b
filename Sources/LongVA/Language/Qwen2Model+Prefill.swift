package import SparsePrefill
package import Torch

extension Qwen2Model {
    /// A prompt as it enters the decoder.
    package struct Prompt {
        /// [1, R, D]: text and the chosen visual tokens. A prefill may write over them.
        package let embeddings: Tensor
        /// Of the R rows.
        package let layout: PromptLayout
        /// Original position of each row, ascending.
        package let positions: [Int]
        /// n with all visual tokens: the position of the first generated token.
        package let promptTokens: Int

        /// A prompt from which nothing was left out.
        package init(embeddings: Tensor, layout: PromptLayout) {
            self.init(
                embeddings: embeddings, layout: layout, positions: Array(0..<layout.count),
                promptTokens: layout.count)
        }

        package init(
            embeddings: Tensor, layout: PromptLayout, positions: [Int], promptTokens: Int
        ) {
            self.embeddings = embeddings
            self.layout = layout
            self.positions = positions
            self.promptTokens = promptTokens
        }
    }

    /// The prompt through all layers.
    ///
    /// - Parameters:
    ///   - observe: called with 0 and the embeddings, then with l + 1 and layer l's output, before
    ///     tokens leave the sequence; they are computed when asked for.
    /// - Returns: logits of the last position [vocabulary] and what each layer computed.
    package func prefill(
        _ prompt: Prompt, plan: PrefillPlan, cache: inout KVCache, profile: PrefillProfile? = nil,
        observe: (Int, @escaping () throws -> Tensor) throws -> Void = { _, _ in }
    ) throws -> (logits: Tensor, reports: [LayerReport]) {
        var sequence = try Sequence(prompt, table: rotary.table(prompt.positions))
        let workspace = PrefillWorkspace()
        var layerReports: [PendingReport] = []
        try observe(0) { try sequence.stream.sum() }
        for (index, layer) in layers.enumerated() {
            let context = LayerContext(
                layer: index, layerCount: layers.count, layout: sequence.layout,
                geometry: geometry, promptTokens: prompt.promptTokens, profile: profile,
                workspace: workspace)
            let step = try layer.prefill(
                sequence.takeStream(), sequence.table, plan: plan, context: context,
                feedForwardRows: chunks.feedForwardRows(ofPrompt: sequence.layout.count))
            sequence.stream = step.stream
            var attention = step.attention
            if plan.retirement != nil { try attention.complete() }
            try cache.fill(
                keys: attention.keys, values: attention.values,
                positions: try attention.cachedRows?.indices().map { sequence.positions[$0] }
                    ?? sequence.positions,
                salient: step.salient, keyBias: layer.keyBias, rotary: rotary)
            layerReports.append(
                PendingReport(
                    report: attention.report, deferred: attention.deferred,
                    positions: sequence.positions.count == prompt.promptTokens
                        ? nil : sequence.positions))
            try observe(index + 1) { try sequence.stream.sum() }
            try sequence.drop(attention, retirement: plan.retirement)
        }
        // Logits of the whole prompt would be n x vocabulary: 11 GB at 128 frames.
        let last = try sequence.stream.rows(from: sequence.layout.count - 1, count: 1)
        let logits = try logits(last.sum())
        // All work is queued by now: what is read here delays none of it.
        return (logits, try layerReports.map { try $0.completed() })
    }

    /// One layer's report while the device works on.
    private struct PendingReport {
        let report: LayerReport
        let deferred: ((inout LayerReport) throws -> Void)?
        /// Original positions of the layer's rows where tokens were gone already.
        let positions: [Int]?

        func completed() throws -> LayerReport {
            var report = report
            try deferred?(&report)
            return positions.map(report.located) ?? report
        }
    }

    /// The tokens that are left while the prompt goes through the layers.
    private struct Sequence {
        var stream: ResidualStream  // [1, R, D]
        private let nothing: ResidualStream
        var table: RotaryTable
        var layout: PromptLayout
        var positions: [Int]
        /// Layers running in which each row was not selected.
        var idle: [Int]

        init(_ prompt: Prompt, table: RotaryTable) throws {
            stream = ResidualStream(prompt.embeddings)
            nothing = ResidualStream(
                try Tensor.empty([0], prompt.embeddings.dtype(), on: prompt.embeddings.device()))
            self.table = table
            layout = prompt.layout
            positions = prompt.positions
            idle = [Int](repeating: 0, count: positions.count)
        }

        /// Gives the stream away: what it holds must not outlive its use in the next layer.
        mutating func takeStream() -> ResidualStream {
            defer { stream = nothing }
            return stream
        }

        /// Lets go what the policy and the retirement rule drop.
        mutating func drop(_ attention: LayerAttention, retirement: Retirement?) throws {
            var rows = attention.remaining
            if let retirement {
                rows =
                    rows
                    ?? retirement.remaining(
                        idle: &idle, kept: attention.report.kept, layout: layout)
            }
            guard let rows, rows.count < positions.count else { return }
            let indices = try Tensor(rows, on: stream.x.device())
            stream = try stream.gathered(indices)
            table = try table.rows(indices)
            layout = layout.keeping(rows)
            positions = rows.map { positions[$0] }
            idle = rows.map { idle[$0] }
        }
    }
}
