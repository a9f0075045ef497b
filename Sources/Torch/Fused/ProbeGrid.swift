/// How the two passes over the probe rows' attention are cut into blocks (`probe.cu`).
///
/// It depends on the sizes alone: the parts of a sum, and so its rounding, are the same on every GPU.
package struct ProbeGrid: Equatable {
    /// Rows that a block holds in registers, of queries in the first pass, of keys in the second.
    package static let held = 128
    /// Rows that stream through shared memory at once; the probes of a head are padded to a multiple.
    package static let tile = 32
    /// Blocks that 132 multiprocessors run at once, four each.
    private static let blocksAtOnce = 528

    /// Blocks of query rows of one KV head.
    package let slabs: Int
    /// Keys that a block of the first pass walks over, and how many such ranges there are.
    package let keysPerRange: Int
    package let ranges: Int
    /// Blocks that share the queries of the same keys in the second pass.
    package let shares: Int

    package init(group: Int, keyValueHeads: Int, probes: Int, keys n: Int) {
        let padded = (probes + Self.tile - 1) / Self.tile * Self.tile
        slabs = (group * padded + Self.held - 1) / Self.held
        let columns = slabs * keyValueHeads
        // Whole waves of blocks, of about 768 keys each.
        let wave = Self.blocksAtOnce * 768
        let waves = max(1, (n * columns + wave / 2) / wave)
        let most = max(1, Self.blocksAtOnce * waves / max(columns, 1))
        keysPerRange = max(Self.held, ((n + most - 1) / most + Self.tile - 1) / Self.tile * Self.tile)
        ranges = (n + keysPerRange - 1) / keysPerRange
        let blocks = (n + Self.held - 1) / Self.held * keyValueHeads
        shares = min(8, max(1, (2 * Self.blocksAtOnce + blocks - 1) / max(blocks, 1)))
    }
}
