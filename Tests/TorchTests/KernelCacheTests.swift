import Foundation
import TestSupport
import Testing

@testable import Torch

/// Compiled kernels on disk: a file is used only when it is whole and what was asked for.
@Suite struct KernelCacheTests {
    private let folder: TemporaryFolder
    private let key = KernelCache.Key(
        text: "__global__ void k() {}", architecture: "sm_90a", driver: "13.0")
    private let image = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }

    init() throws { folder = try TemporaryFolder() }

    private var file: String { folder.path + "/" + key.file }

    private var contents: [UInt8] {
        get throws { Array(try Data(contentsOf: URL(filePath: file))) }
    }

    @Test func `What was written is read, also into a folder that was not there`() throws {
        #expect(KernelCache.read(key, in: folder.path) == nil)
        let below = folder.file("a/b")
        KernelCache.write(image, key, in: below)
        #expect(KernelCache.read(key, in: below) == image)
        // Nothing is left beside it.
        #expect(try FileManager.default.contentsOfDirectory(atPath: below) == [key.file])
        KernelCache.write([], key, in: below)
        #expect(KernelCache.read(key, in: below) == [])
    }

    @Test func `A file cut off anywhere is as good as none, and is replaced`() throws {
        KernelCache.write(image, key, in: folder.path)
        let whole = try contents
        for length in [
            0, 1, key.header.utf8.count, key.header.utf8.count + 7, 3000, whole.count - 8,
        ]
            + [whole.count - 1]
        {
            try folder.write(key.file, whole.prefix(length))
            #expect(KernelCache.read(key, in: folder.path) == nil, "\(length) bytes")
        }
        try folder.write(key.file, whole + [0])
        #expect(KernelCache.read(key, in: folder.path) == nil)
        KernelCache.write(image, key, in: folder.path)
        #expect(KernelCache.read(key, in: folder.path) == image)
    }

    @Test func `Another source, architecture or driver has another file, whose content counts`()
        throws
    {
        KernelCache.write(image, key, in: folder.path)
        let others = [
            KernelCache.Key(text: "__global__ void l() {}", architecture: "sm_90a", driver: "13.0"),
            KernelCache.Key(
                text: "__global__ void k() {}", architecture: "sm_100a", driver: "13.0"),
            KernelCache.Key(text: "__global__ void k() {}", architecture: "sm_90a", driver: "12.8"),
        ]
        #expect(Set((others + [key]).map(\.file)).count == 4)
        for other in others {
            #expect(KernelCache.read(other, in: folder.path) == nil)
            // Under the other's name.
            try folder.write(other.file, contents)
            #expect(KernelCache.read(other, in: folder.path) == nil)
        }
        #expect(KernelCache.read(key, in: folder.path) == image)
    }

    @Test func `A folder that cannot be written or read changes nothing`() throws {
        let blocked = try folder.write("file", "no folder") + "/kernels"
        KernelCache.write(image, key, in: blocked)
        #expect(KernelCache.read(key, in: blocked) == nil)
        KernelCache.write(image, key, in: nil)
        #expect(KernelCache.read(key, in: nil) == nil)
        // Where its name is taken by a folder nothing is left half written.
        try FileManager.default.createDirectory(
            atPath: file + "/inside", withIntermediateDirectories: true)
        KernelCache.write(image, key, in: folder.path)
        #expect(KernelCache.read(key, in: folder.path) == nil)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.sorted() == [key.file, "file"].sorted())
    }
}
