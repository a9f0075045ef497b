import Torch

/// Cache entries of one or more KV heads, quantised together: salient ones in four bits, the others
/// in two (ZipVL v1; grids as in ZipCache, arXiv 2405.14256).
///
/// Keys: one grid for each channel and group, over the group's tokens. Values: each channel is divided
/// by c = sqrt(largest magnitude over all tokens), then one grid for each token over all channels of
/// these heads, and multiplied back at read (channel-separable token-wise).
struct CompressedEntries {
    struct Group {
        let keys: QuantizedBlock
        let values: QuantizedBlock
    }

    private let length: Int
    private let salient: AscendingIndices
    let groups: (salient: Group?, others: Group?)
    /// c, 16 bit [heads, 1, d].
    let channelScale: Tensor
    /// See `StoredParameter.read`.
    private let scaleIsBrain: Tensor?

    /// - Parameters:
    ///   - keys, values: float32 [heads, T, d], T > 0.
    ///   - salient: ascending, in 0..<T.
    init(keys: Tensor, values: Tensor, salient: [Int]) throws {
        length = keys.shape[1]
        self.salient = AscendingIndices(salient)
        let root = try values.magnitude().maximum([1], keepingAxes: true).squareRoot()
        let dtype = try StoredParameter.dtype(for: root)
        let scale = try StoredParameter.nearest(root, dtype)
            .clamped(to: StoredParameter.smallest...Float.greatestFiniteMagnitude)
        channelScale = try scale.converted(to: dtype)
        let even = try values / scale

        func group(_ tokens: [Int], bits: Int) throws -> Group? {
            guard !tokens.isEmpty else { return nil }
            let indices = try Tensor(tokens, on: keys.device())
            return Group(
                keys: try QuantizedBlock(keys.gathered(1, indices), over: [1], bits: bits),
                values: try QuantizedBlock(even.gathered(1, indices), over: [0, 2], bits: bits))
        }
        groups = (
            try group(salient, bits: 4),
            try group(Self.others(than: salient, below: length), bits: 2)
        )
        scaleIsBrain = nil
    }

    /// What kernels have stored.
    init(
        length: Int, salient: [Int], groups: (salient: Group?, others: Group?),
        channelScale: Tensor, scaleIsBrain: Tensor
    ) {
        self.length = length
        self.salient = AscendingIndices(salient)
        self.groups = groups
        self.channelScale = channelScale
        self.scaleIsBrain = scaleIsBrain
    }

    /// Keys and values, float32 [heads, T, d], in the original order.
    func values() throws -> (keys: Tensor, values: Tensor) {
        let groups = [groups.salient, groups.others].compactMap { $0 }
        let keys = try Tensor.concatenated(groups.map { try $0.keys.values() }, axis: 1)
        let values = try Tensor.concatenated(groups.map { try $0.values.values() }, axis: 1)
        let scaled = try values * StoredParameter.read(channelScale, isBrain: scaleIsBrain)
        guard groups.count > 1 else { return (keys, scaled) }

        let stored = salient.indices()
        var place = [Int](repeating: 0, count: length)
        let order = stored + Self.others(than: stored, below: length)
        for (index, token) in order.enumerated() { place[token] = index }
        let places = try Tensor(place, on: keys.device())
        return (try keys.gathered(1, places), try scaled.gathered(1, places))
    }

    static func others(than salient: [Int], below count: Int) -> [Int] {
        var isSalient = [Bool](repeating: false, count: count)
        for token in salient { isSalient[token] = true }
        return isSalient.indices.filter { !isSalient[$0] }
    }

    /// Codes, grids, channel scales and the map of salient tokens.
    var byteCount: Int {
        [groups.salient, groups.others].reduce(2 * channelScale.count + salient.byteCount) {
            $0 + ($1.map { $0.keys.byteCount + $0.values.byteCount } ?? 0)
        }
    }
}
