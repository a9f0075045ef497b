import Testing

@testable import VideoFrames

@Suite struct UniformIndicesTests {
    @Test func `Indices are numpy's for 5740 pairs of total and count`() throws {
        let rows = try Fixture.decode([[Int]].self, from: "indices.json")
        #expect(rows.count == 5740)
        for row in rows {
            let indices = FrameSampler.uniformIndices(total: row[0], count: row[1])
            let bytes = indices.flatMap { index in
                (0..<4).map { UInt8(truncatingIfNeeded: index >> ($0 * 8)) }
            }
            #expect(Int(crc32(bytes)) == row[2], "total \(row[0]), count \(row[1])")
        }
    }

    @Test func `The product is formed in floating point, where integers would differ`() {
        #expect(FrameSampler.uniformIndices(total: 162, count: 64)[45] == 114)
        #expect(45 * 161 / 63 == 115)
    }

    @Test func `A short video repeats its frames`() {
        #expect(FrameSampler.uniformIndices(total: 5, count: 8) == [0, 0, 1, 1, 2, 2, 3, 4])
        #expect(FrameSampler.uniformIndices(total: 1, count: 3) == [0, 0, 0])
        #expect(FrameSampler.uniformIndices(total: 9, count: 1) == [0])
    }

    @Test func `Nothing asked for or nothing there gives no index`() {
        #expect(FrameSampler.uniformIndices(total: 0, count: 8).isEmpty)
        #expect(FrameSampler.uniformIndices(total: 8, count: 0).isEmpty)
    }
}
