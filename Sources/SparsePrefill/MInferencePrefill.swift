package import Torch

/// MInference 1.0 (arXiv 2407.02490; microsoft/MInference): every head has a fixed pattern, found
/// offline, whose place in the matrix is estimated from each prompt.
///
/// Keys, values, queries and the feed-forward layer stay whole; only the pairs of the attention get
/// fewer. On a GPU kernels compute tiles of 64 keys; on the CPU each block of queries gathers the keys it
/// needs. The pairs that a row sees are the same; what is counted as computed are all pairs of the tiles.
package struct MInferencePrefill: PrefillPolicy {
    package let patterns: MInferencePatterns
    package let denseLayers: [Int]

    package init(patterns: MInferencePatterns = MInferencePatterns(), denseLayers: [Int] = []) {
        self.patterns = patterns
        self.denseLayers = denseLayers
    }

    package func attend(
        _ projections: LayerProjections, in context: LayerContext
    ) throws -> LayerAttention {
        let n = context.layout.count
        let heads = context.geometry.heads
        if let problem = patterns.problem(layerCount: context.layerCount, heads: heads) {
            throw MInferencePatternsError(problem)
        }
        let byHead = (0..<heads).map { patterns[context.layer, $0] }
        // Of all pairs of the prompt, whose tokens may be gone already.
        let left = Double(n) / Double(max(context.promptTokens, 1))
        let share = left * left * byHead.reduce(0) { $0 + $1.paperShare(n) } / Double(heads)
        guard !denseLayers.contains(context.layer), !byHead.allSatisfy({ $0.coversAll(n) }) else {
            var attention = try FullPrefill().attend(projections, in: context)
            attention.report.paperShare = denseLayers.contains(context.layer) ? left * left : share
            return attention
        }
        let keys = try projections.keys(nil)  // [1, Hkv, n, d]
        let queries = try projections.queries(nil)  // [1, H, n, d]
        let output: Tensor
        let values: Tensor
        let pairs, probePairs: Double
        if let device = try Kernels.device(queries, keys),
            let kernels = try MInferenceKernels(byHead, queries: queries, keys: keys)
        {
            let plan: MInferenceKernels.Plan
            (plan, pairs, probePairs) = try kernels.plan(on: device)
            values = try projections.values(nil)
            output = try kernels.attend(plan, values: values, on: device)
        } else {
            let choice = try MInferenceChoice(byHead, queries: queries, keys: keys)
            // Only now: while the patterns are placed, values would stand in memory unused.
            values = try projections.values(nil)
            (output, pairs) = try choice.attend(queries: queries, keys: keys, values: values)
            probePairs = choice.probePairs
        }
        var report = LayerReport.dense(n)
        report.pairs = pairs / Double(heads)
        report.probePairs = probePairs / Double(heads)
        report.paperShare = share
        return LayerAttention(output: output, keys: keys, values: values, report: report)
    }
}

/// What each head of a layer computes for one prompt.
package struct MInferenceChoice {
    enum Head: Equatable {
        case dense
        case pairs(MInferencePairs)
        case blocks(MInferenceBlocks)
    }

    let heads: [Head]
    /// Pairs computed to choose, all heads together.
    let probePairs: Double

    /// - Parameters:
    ///   - patterns: one for each of the H heads.
    ///   - queries: [1, H, n, d]
    ///   - keys: [1, Hkv, n, d]
    package init(_ patterns: [MInferencePattern], queries: Tensor, keys: Tensor) throws {
        let n = queries.shape[2]
        let open = patterns.map { $0.coversAll(n) ? nil : $0 }
        let needsEstimate = open.contains { $0?.kind == .verticalAndSlash }
        let estimate = needsEstimate ? try MInferenceEstimate(queries: queries, keys: keys) : nil
        let blocks = try MInferenceBlocks.choose(
            open.map { if case .blockSparse(let count)? = $0 { count } else { nil } },
            queries: queries, keys: keys)
        heads = patterns.indices.map { head in
            switch open[head] {
            case nil: return .dense
            case .blockSparse?:
                return blocks[head].map { .blocks($0) } ?? .dense
            case .streaming(let initial, let local)?:
                return .pairs(MInferencePairs(initial: initial, local: local, n: n))
            case .verticalAndSlash(let vertical, let slash)?:
                guard let estimate else { return .dense }
                let pairs = MInferencePairs(
                    vertical: vertical, slash: slash, columnSums: estimate.columnSums[head],
                    offsetSums: estimate.offsetSums[head])
                return pairs.coversAll(n) ? .dense : .pairs(pairs)
            }
        }
        probePairs = Self.probePairs(open, n: n)
    }

    /// - Parameter open: for each head its pattern, `nil` where it covers everything.
    static func probePairs(_ open: [MInferencePattern?], n: Int) -> Double {
        let pooled = open.count { $0?.kind == .blockSparse }
        let isEstimated = open.contains { $0?.kind == .verticalAndSlash }
        return Double(pooled) * MInferenceBlocks.probePairs(n)
            + (isEstimated ? Double(open.count) * MInferenceEstimate.pairs(n) : 0)
    }

    /// One head after the other.
    ///
    /// - Parameters:
    ///   - queries: [1, H, n, d]
    ///   - keys, values: [1, Hkv, n, d]
    /// - Returns: [1, H, n, d], and the pairs computed by all heads together.
    package func attend(
        queries: Tensor, keys: Tensor, values: Tensor
    ) throws -> (output: Tensor, pairs: Double) {
        let group = heads.count / keys.shape[1]
        let output = try Tensor.empty(queries.shape, try queries.dtype(), on: queries.device())
        var pairs = 0.0
        for (index, sparsity) in heads.enumerated() {
            let head = MInferenceHead(
                queries: try queries.narrowed(1, from: index, count: 1),
                keys: try keys.narrowed(1, from: index / group, count: 1),
                values: try values.narrowed(1, from: index / group, count: 1),
                output: try output.narrowed(1, from: index, count: 1))
            switch sparsity {
            case .dense: pairs += try head.attendDense()
            case .pairs(let chosen): pairs += try head.attend(chosen)
            case .blocks(let chosen): pairs += try head.attend(chosen)
            }
        }
        return (output, pairs)
    }
}
