import Foundation
import Glibc
import TestSupport
import Testing

@testable import Torch

/// Weights read part by part by several threads, as for a GPU, with the CPU as the target.
@Suite struct StagedLoaderTests {
    let folder: TemporaryFolder

    init() throws {
        try LoadedTorch.load()
        folder = try TemporaryFolder()
    }

    @Test(arguments: [(1, 4096), (3, 64), (8, 1000), (4, 1 << 20)])
    func `every tensor has the bytes of the mapped file`(_ threads: Int, _ part: Int) throws {
        let checkpoint = try Checkpoint(directory: Fixtures.path("gqa3-sharded"))
        let loader = try StagedLoader(on: .cpu, threads: threads, partBytes: part)
        var bytes = 0
        for file in checkpoint.files {
            for name in file.entries.keys.sorted() {
                let staged = try loader.tensor(name, of: file)
                let mapped = try file.tensor(name)
                #expect(staged.shape == mapped.shape)
                #expect(try staged.dtype() == mapped.dtype())
                let same = try staged.withBytes { a in
                    try mapped.withBytes { b in a.elementsEqual(b) }
                }
                #expect(same, "\(name)")
                bytes += file.entries[name]?.byteCount ?? 0
            }
        }
        #expect(bytes > 100_000)
    }

    @Test func `a checkpoint gives the same by its own name, in the wanted element type`() throws {
        let checkpoint = try Checkpoint(directory: Fixtures.path("gqa3-sharded"))
        for name in checkpoint.names {
            let mapped = try checkpoint.tensor(name).converted(to: .bfloat16)
            let staged = try checkpoint.staged(name, on: .cpu).converted(to: .bfloat16)
            #expect(
                try mapped.converted(to: .float32).values(as: Float.self)
                    == staged.converted(to: .float32).values())
        }
        #expect(throws: WeightError.self) { try checkpoint.staged("nothing", on: .cpu) }
    }

    @Test func `a file that was cut off since it was opened is named`() throws {
        var writer = SafetensorsWriter()
        try writer.add("x", Tensor([Float](repeating: 1, count: 50_000)))
        let path = folder.file("cut.safetensors")
        try writer.write(to: path)
        let file = try SafetensorsFile(path: path)
        let loader = try StagedLoader(on: .cpu, threads: 4, partBytes: 4096)
        #expect(try loader.tensor("x", of: file).values() == [Float](repeating: 1, count: 50_000))
        truncate(path, 100_000)
        for _ in 0..<20 {
            let error = #expect(throws: WeightError.self) { try loader.tensor("x", of: file) }
            #expect(error?.description.contains("cut.safetensors") == true)
            #expect(error?.description.contains("it ends at byte 100000") == true)
        }
    }

    @Test func `an empty tensor has its shape`() throws {
        var writer = SafetensorsWriter()
        try writer.add("x", Tensor.empty([0, 3], .float32))
        let path = folder.file("empty.safetensors")
        try writer.write(to: path)
        let loader = try StagedLoader(on: .cpu, threads: 2, partBytes: 64)
        #expect(try loader.tensor("x", of: SafetensorsFile(path: path)).shape == [0, 3])
    }

    @Test func `a closed file leaves no descriptor behind`() throws {
        let name = URL(fileURLWithPath: folder.path).lastPathComponent
        func open() throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?
                    .contains(name) == true
            }.count
        }
        var writer = SafetensorsWriter()
        try writer.add("x", Tensor([Float(1)]))
        try writer.write(to: folder.file("a.safetensors"))
        try folder.write("b.safetensors", "not a header, not at all")
        do {
            let file = try SafetensorsFile(path: folder.file("a.safetensors"))
            #expect(try open() == 1)
            #expect(file.entries.count == 1)
        }
        #expect(throws: WeightError.self) {
            try SafetensorsFile(path: folder.file("b.safetensors"))
        }
        #expect(try open() == 0)
    }
}
