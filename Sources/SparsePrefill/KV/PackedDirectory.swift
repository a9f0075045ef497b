import Torch

/// Where one layer's packed entries stand on the device, and how they are shared out to the blocks of
/// kv_attention.cu.
struct PackedDirectory {
    /// int64 [segments, 16] and int32 [tasks, 3]: segment, KV head, first entry.
    private let segments, tasks: Tensor
    /// int32 [Hkv + 1]: the tasks of a KV head follow each other.
    private let ends: Tensor
    private let heads: Int
    /// Owners of the memory that the table names.
    private let blocks: [PackedBlock]

    /// Entries of a task.
    private static let taskTokens = 128
    /// Query heads of a KV head for which there is a kernel: others take the next one, with queries of 0.
    private static let groups = [64: [1, 2, 4, 8], 128: [1, 2, 4, 7, 8]]

    static func serves(queryHeads: Int, keyHeads: Int) -> Bool { queryHeads <= 8 * keyHeads }

    /// - Parameter blocks: not empty, all of the same heads.
    init(_ blocks: [PackedBlock], on device: Device) throws {
        heads = blocks[0].heads
        let all = blocks.flatMap(\.segments)
        var table: [Int] = []
        for segment in all {
            func address(_ x: Tensor) throws -> Int {
                Int(truncatingIfNeeded: try KernelArgument.tensor(x).bits)
            }
            table += [
                try address(segment.keyCodes), try address(segment.valueCodes),
                try address(segment.keyGrids), try address(segment.scales),
                try address(segment.valueZeros), try address(segment.valueSteps),
                try segment.positions.map(address) ?? 0, try address(segment.flags), segment.tokens,
                segment.bits, segment.heads.lowerBound, segment.heads.count, segment.group, 0, 0, 0,
            ]
        }
        var tasks: [Int32] = []
        var ends: [Int32] = [0]
        for head in 0..<heads {
            for (index, segment) in all.enumerated() where segment.heads.contains(head) {
                for first in stride(from: 0, to: segment.tokens, by: Self.taskTokens) {
                    tasks += [Int32(index), Int32(head), Int32(first)]
                }
            }
            ends.append(Int32(tasks.count / 3))
        }
        segments = try Tensor(table, shape: [all.count, 16], on: device)
        self.tasks = try Tensor(tasks, shape: [tasks.count / 3, 3], on: device)
        self.ends = try Tensor(ends, on: device)
        self.blocks = blocks
    }

    /// - Parameters:
    ///   - query: [1, H, 1, d], H at most 8 Hkv.
    ///   - recent: keys and values [1, Hkv, any, d].
    /// - Returns: [1, Hkv, H / Hkv, d]
    func attend(
        query: Tensor, recent: (keys: Tensor, values: Tensor), bias: KeyBiasTable?,
        on launcher: some KernelLauncher
    ) throws -> Tensor? {
        let (queryHeads, width) = (query.shape[1], query.shape[3])
        let group = queryHeads / heads
        guard let kernel = Self.groups[width]?.first(where: { $0 >= group }) else { return nil }
        let query = try query.reshaped([queryHeads, width]).contiguous()
        let count = tasks.shape[0]
        let recentCount = recent.keys.shape[2]
        let partials = try launcher.output(
            [count + heads, group, width + 2], .float32, beside: query)
        let output = try launcher.output([1, heads, group, width], .bfloat16, beside: query)
        let (ofKeys, ofValues) = (try recent.keys.strides(), try recent.values.strides())
        try launcher.launch(
            .kvAttention, "kv_attention_\(width)x\(kernel)", grid: (count + heads, 1, 1),
            block: 128,
            .tensor(segments), .tensor(tasks), .int32(count), .tensor(query),
            bias.map { .tensor($0.bias) } ?? .null, bias.map { .tensor($0.cosine) } ?? .null,
            bias.map { .tensor($0.sine) } ?? .null, .tensor(recent.keys), .tensor(recent.values),
            .int32(recentCount), .int64(ofKeys[1]), .int64(ofKeys[2]), .int64(ofValues[1]),
            .int64(ofValues[2]), .int32(group), .float(1.442_695_04 / Float(width).squareRoot()),
            .tensor(partials))
        try launcher.launch(
            .kvAttention, "kv_attention_join", grid: (queryHeads, 1, 1), block: 512,
            .tensor(partials), .tensor(ends), .int32(count), .int32(recentCount), .int32(group),
            .int32(width), .tensor(output))
        return output
    }
}
