import TestSupport
import Testing
import Torch

@testable import SparsePrefill

/// Cache entries packed and read by kernels against the plain operators, which `KVCompressionTests`
/// holds to an independent implementation.
@Suite struct PackedEntriesTests {
    init() throws { try LoadedTorch.load() }

    struct Case: CustomTestStringConvertible, Sendable {
        var heads = 2
        var group = 2
        var tokens = 70
        var width = 64
        /// For all heads together, or for each.
        var eachHead = false
        /// Every how manyeth token is salient; 0 is none.
        var every = 3
        var hasBias = true
        var scale: Float = 1

        var testDescription: String {
            "\(heads) x \(group) heads of \(width), \(tokens) tokens, 1/\(every) salient"
                + "\(eachHead ? " by head" : ""), \(hasBias ? "bias" : "no bias"), scale \(scale)"
        }

        var salient: [[Int]] {
            (0..<(eachHead ? heads : 1)).map { head in
                (0..<tokens).filter { every > 0 && ($0 + head) % every == 0 }
            }
        }
    }

    static let cases = [
        Case(), Case(heads: 4, group: 7, tokens: 301, width: 128, every: 2),
        Case(heads: 4, group: 7, tokens: 129, width: 128, eachHead: true),
        Case(heads: 1, group: 1, tokens: 1, every: 1), Case(group: 3, tokens: 64, every: 0),
        Case(group: 8, tokens: 33, width: 128, every: 1, hasBias: false),
        // Beyond float16's range.
        Case(tokens: 300, hasBias: false, scale: 1e7), Case(group: 5, scale: 1e-6),
    ]

    /// Entries [1, Hkv, T, d] over memory [T, Hkv, d], and their bias.
    private func entries(
        _ c: Case, seed: UInt64 = 1
    ) throws -> (
        keys: Tensor, values: Tensor, bias: KeyBiasTable?, positions: [Int], offset: Tensor
    ) {
        let positions = (0..<c.tokens).map { 3 * $0 + 5 }
        let angles = try Tensor.random([3 * c.tokens + 8, c.width / 2], 7) * 3
        let both = try Tensor.concatenated([angles, angles], axis: 1)
        let table = try KeyBiasTable(
            bias: Tensor.random([c.heads, c.width], 9) * 20,
            cosine: both.cos().converted(to: .bfloat16), sine: both.sin().converted(to: .bfloat16))
        let offset =
            c.hasBias
            ? try rotated(table, positions)
            : try Tensor.zeros([1, c.heads, c.tokens, c.width], .float32)
        let shape = [1, c.tokens, c.heads, c.width]
        let keys = try (Tensor.random(shape, seed) * c.scale + offset.transposed(1, 2))
            .converted(to: .bfloat16).transposed(1, 2)
        let values = try (Tensor.random(shape, seed + 1) * c.scale).converted(to: .bfloat16)
            .transposed(1, 2)
        return (keys, values, c.hasBias ? table : nil, positions, offset)
    }

    /// What the bias is at some positions, float32 [1, Hkv, K, d].
    private func rotated(_ table: KeyBiasTable, _ positions: [Int]) throws -> Tensor {
        let (heads, width) = (table.bias.shape[0], table.bias.shape[1])
        let rows = try Tensor(positions)
        let x = try table.bias.reshaped([1, heads, 1, width])
        let turned = try Tensor.concatenated(
            [
                x.narrowed(3, from: width / 2, count: width / 2).neg(),
                x.narrowed(3, from: 0, count: width / 2),
            ], axis: 3)
        return try x * table.cosine.gathered(0, rows).converted(to: .float32) + turned
            * table.sine.gathered(0, rows).converted(to: .float32)
    }

    private func packed(
        _ c: Case, on emulator: Emulator
    ) throws -> (packed: CompressedKV, plain: CompressedKV) {
        let e = try entries(c)
        var packed = CompressedKV(dtype: .float32)
        let isPacked = try packed.append(
            keys: e.keys, values: e.values, salient: c.salient, positions: e.positions,
            bias: e.bias,
            on: emulator)
        #expect(isPacked)
        var plain = CompressedKV(dtype: .float32)
        let keys = try e.keys.converted(to: .float32)
        try plain.append(
            keys: e.bias == nil ? keys : keys - e.offset, values: e.values, salient: c.salient)
        return (packed, plain)
    }

    @Test(arguments: cases)
    func everyStoredByteIsThePlainOperators(_ c: Case) throws {
        let (packed, plain) = try packed(c, on: Emulator())
        #expect(packed.byteCount == plain.byteCount)
        #expect(packed.length == plain.length)
        let (ours, theirs) = (try #require(packed.blocks.first), try #require(plain.blocks.first))
        #expect(ours.count == theirs.count)
        for (a, b) in zip(ours, theirs) {
            for (group, expected) in [
                (a.groups.salient, b.groups.salient), (a.groups.others, b.groups.others),
            ] {
                #expect((group == nil) == (expected == nil))
                guard let group, let expected else { continue }
                for (x, y) in [(group.keys, expected.keys), (group.values, expected.values)] {
                    #expect(
                        try x.codes.bytes.values(as: UInt8.self) == y.codes.bytes.values())
                    let isBrain: [Int32] = try #require(x.isBrain).values()
                    #expect(try (isBrain[0] > 0) == (y.zero.dtype() == .bfloat16))
                }
            }
        }
        // Bit by bit, zero points, steps and scales among it.
        let (x, y) = (try packed.expanded(), try plain.expanded())
        #expect(try x.keys.values(as: Float.self) == y.keys.values())
        #expect(try x.values.values(as: Float.self) == y.values.values())
    }

    @Test(arguments: cases)
    func attentionReadsWhatIsStored(_ c: Case) throws {
        let emulator = Emulator()
        var (packed, _) = try packed(c, on: emulator)
        let e = try entries(c, seed: 30)
        // A further block, as generated tokens make them.
        let more = min(c.tokens, 5)
        let isPacked = try packed.append(
            keys: e.keys.narrowed(2, from: 0, count: more),
            values: e.values.narrowed(2, from: 0, count: more), salient: [[0]],
            positions: Array(e.positions.prefix(more)), bias: e.bias, on: emulator)
        #expect(isPacked)
        let all = e.positions + e.positions.prefix(more)
        let offset = try e.bias.map { try rotated($0, all) }
        let stored = try packed.expanded(keyOffset: offset)
        let recentCount = min(c.tokens, 37)
        let recent = try entries(c, seed: 40)
        let (keys, values) = (
            try recent.keys.narrowed(2, from: 0, count: recentCount),
            try recent.values.narrowed(2, from: 0, count: recentCount)
        )
        let heads = c.heads * c.group
        let query = try (Tensor.random([1, heads, 1, c.width], 50) * (1 / c.scale))
            .converted(to: .bfloat16)
        let attended = try #require(
            try packed.attend(query: query, recent: (keys, values), bias: e.bias, on: emulator))
        let expected = try query.converted(to: .float32)
            .reshaped([1, c.heads, c.group, c.width]).attention(
                keys: Tensor.concatenated([stored.keys, keys.converted(to: .float32)], axis: 2),
                values: Tensor.concatenated(
                    [stored.values, values.converted(to: .float32)], axis: 2),
                isCausal: false)
        try expectClose(attended, expected, relative: 0x1p-8, c.testDescription)
    }

    @Test func whatTheKernelsCannotReadIsRefused() throws {
        let e = try entries(Case())
        for (keys, values) in [
            (try e.keys.converted(to: .float32), try e.values.converted(to: .float32)),
            (
                try e.keys.narrowed(3, from: 0, count: 32),
                try e.values.narrowed(3, from: 0, count: 32)
            ),
        ] {
            var cache = CompressedKV(dtype: .bfloat16)
            let isPacked = try cache.append(
                keys: keys, values: values, salient: [[0]], positions: e.positions, bias: nil,
                on: Emulator())
            #expect(!isPacked && cache.length == 0 && cache.byteCount == 0)
        }
    }
}
