import Foundation
import Testing

@testable import VideoFrames

@Suite struct ImagePNGTests {
    /// A folder of its own for each test.
    private static func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "png-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Bytes without pattern: what a filter or a wrong stride does to them shows.
    private static func noise(_ count: Int) -> [UInt8] {
        var state: UInt64 = 7
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
    }

    @Test(arguments: [(8, 8), (97, 64), (64, 97), (1, 1), (2, 1), (1, 9), (513, 33)])
    func `A picture reads back with every pixel as it was written`(
        _ width: Int, _ height: Int
    ) throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "a.png").path
        let pixels = Self.noise(width * height * 3)
        try PNGFile.write(rgb: pixels, width: width, height: height, to: path)
        let read = try FrameSampler.sample(SamplingRequest(path: path, frames: 1, side: 0))
        #expect(read.facts.codec == "png")
        #expect(read.facts.pixelFormat == "rgb24")
        #expect((read.width, read.height) == (width, height))
        #expect(read.pixels == pixels)
    }

    @Test func `Writing replaces a picture and leaves nothing else behind`() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appending(path: "a.png").path
        for shade in [UInt8(0), 255] {
            let pixels = [UInt8](repeating: shade, count: 8 * 8 * 3)
            try PNGFile.write(rgb: pixels, width: 8, height: 8, to: path)
            let read = try FrameSampler.sample(SamplingRequest(path: path, frames: 1, side: 0))
            #expect(read.pixels == pixels)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.png"])
    }

    @Test func `What cannot be written is an error that names the file`() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let taken = folder.appending(path: "taken.png")
        try FileManager.default.createDirectory(at: taken, withIntermediateDirectories: true)
        let pixels = [UInt8](repeating: 9, count: 12)
        for path in [folder.path + "/missing/a.png", taken.path] {
            let error = #expect(throws: ImageError.self) {
                try PNGFile.write(rgb: pixels, width: 2, height: 2, to: path)
            }
            #expect(error?.description.hasPrefix("\(path): cannot be written: ") == true)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken.png"])
    }

    @Test(arguments: [(2, 3), (0, 2), (70_000, 1), (-2, -2)])
    func `Sizes that do not fit are refused`(_ width: Int, _ height: Int) {
        let error = #expect(throws: ImageError.self) {
            try PNGFile.write(
                rgb: [UInt8](repeating: 0, count: 12), width: width, height: height,
                to: "never.png")
        }
        #expect(error?.description.contains("never.png: expected ") == true)
    }
}
