/// The kept sets of a trace: `kept.L`, `kept_q.L.H` and `visual_kept`.
struct KeptSets {
    private let file: TraceTensors
    private let promptTokens: Int
    /// Original positions of the visual tokens.
    private let visual: [Int]
    /// Share of the prompt's positions that went into the decoder: 0 for visual tokens dropped before it.
    private let entered: [Double]

    init(_ file: TraceTensors, promptTokens: Int, visual: [Int]) throws {
        (self.file, self.promptTokens, self.visual) = (file, promptTokens, visual)
        guard file.has("visual_kept") else {
            entered = [Double](repeating: 1, count: promptTokens)
            return
        }
        var entered = [Double](repeating: 1, count: promptTokens)
        for position in visual { entered[position] = 0 }
        for index in try file.integers("visual_kept") {
            guard visual.indices.contains(index) else {
                throw TraceError(
                    file.path,
                    "`visual_kept`: holds \(index), expected visual tokens from 0 to "
                        + "\(visual.count - 1)")
            }
            entered[visual[index]] = 1
        }
        self.entered = entered
    }

    /// Every layer of the run; one layer "all" where nothing in the file is of one layer.
    func layers() throws -> [TokenTrace.Layer] {
        var headNames: [Int: [String]] = [:]
        var count = file.metadata["layers"].flatMap { Int($0) } ?? 0
        for name in file.names {
            let parts = name.split(separator: ".")
            guard parts.count > 1, let layer = Int(parts[1]), (0..<4096).contains(layer),
                ["kept", "kept_q", "kept_k", "probe_rows", "scores"].contains(parts[0])
            else { continue }
            count = max(count, layer + 1)
            if parts[0] == "kept_q" { headNames[layer, default: []].append(name) }
        }
        guard (1...4096).contains(count) else { return [layer("all", entered)] }
        return try (0..<count).map { index in
            if let heads = headNames[index] {
                let sets = try heads.map(share)
                return layer(
                    "\(index)",
                    (0..<promptTokens).map { position in
                        sets.reduce(0) { $0 + $1[position] } / Double(sets.count)
                    })
            }
            let name = "kept.\(index)"
            return layer("\(index)", file.has(name) ? try share(name) : entered)
        }
    }

    private func layer(_ name: String, _ shares: [Double]) -> TokenTrace.Layer {
        TokenTrace.Layer(
            name: name, keptTokens: shares.reduce(0, +), shares: visual.map { shares[$0] })
    }

    /// 1 at the positions that a tensor lists.
    private func share(_ name: String) throws -> [Double] {
        var shares = [Double](repeating: 0, count: promptTokens)
        for position in try file.integers(name) {
            guard shares.indices.contains(position) else {
                throw TraceError(
                    file.path,
                    "`\(name)`: holds position \(position), expected 0 to \(promptTokens - 1)")
            }
            shares[position] = entered[position]
        }
        return shares
    }
}
