import Foundation
import Testing

@testable import VideoFrames

/// The program's own `fuzz` command on a slice of the files that a long run makes.
@Suite struct FuzzTests {
    struct Summary: Decodable {
        let count, answered, crashes, hangs, malformed: Int
        let failed: [String: Int]
        let kept: [String]
    }

    static func run(
        _ arguments: [String], keep: URL
    ) throws -> (status: Int32, summary: Summary) {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(filePath: own).deletingLastPathComponent()
            .appending(path: "zipvl-bench-io")
        process.arguments = ["fuzz"] + arguments + ["--keep", keep.path]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, try JSONDecoder().decode(Summary.self, from: data))
    }

    static func folder() throws -> String {
        let variant = try #require(EdgeVariantTests.small.first)
        return URL(filePath: try EdgeCorpus.path("h264.ts", of: variant))
            .deletingLastPathComponent().path
    }

    static func temporary() -> URL {
        FileManager.default.temporaryDirectory.appending(path: "fuzz-\(UUID())")
    }

    @Test func `200 damaged files crash nothing, hang nothing and say why they fail`() throws {
        let keep = Self.temporary()
        let (status, summary) = try Self.run(
            [Self.folder(), "--count", "200", "--seed", "5", "--budget-ms", "10000"], keep: keep)
        #expect(status == 0)
        #expect(summary.count == 200)
        #expect(summary.crashes + summary.hangs + summary.malformed == 0)
        #expect(summary.kept == [])
        // Damage that is always noticed, or never, would test little.
        #expect(summary.answered > 60)
        #expect(summary.failed.values.reduce(0, +) > 40)
    }

    @Test func `A child that dies is a finding, and its file is kept`() throws {
        let keep = Self.temporary()
        defer { try? FileManager.default.removeItem(at: keep) }
        let (status, summary) = try Self.run(
            [Self.folder(), "--count", "3", "--child", "/bin/false"], keep: keep)
        #expect(status == 3)
        #expect(summary.crashes == 3)
        #expect(summary.kept.count == 3)
        for path in summary.kept { #expect(FileManager.default.fileExists(atPath: path)) }
    }

    @Test func `A child that does not answer in time is a finding`() throws {
        let keep = Self.temporary()
        try FileManager.default.createDirectory(at: keep, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: keep) }
        let script = keep.appending(path: "sleeps")
        try Data("#!/bin/sh\nexec sleep 60\n".utf8).write(to: script)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o700], ofItemAtPath: script.path)
        let (status, summary) = try Self.run(
            [Self.folder(), "--count", "1", "--budget-ms", "200", "--child", script.path],
            keep: keep)
        #expect(status == 3)
        #expect(summary.hangs == 1)
        #expect(summary.kept.count == 1)
    }

    @Test func `The same seed makes the same files`() throws {
        let keeps = [Self.temporary(), Self.temporary()]
        defer { for keep in keeps { try? FileManager.default.removeItem(at: keep) } }
        let files = try keeps.map { keep in
            let (_, summary) = try Self.run(
                [Self.folder(), "--first", "40", "--count", "12", "--child", "/bin/false"],
                keep: keep)
            return try summary.kept.map { try crc32(Data(contentsOf: URL(filePath: $0))) }
        }
        #expect(files[0].count == 12)
        #expect(files[0] == files[1])
        #expect(Set(files[0]).count == 12)
    }

    /// What a decoder makes of damage depends on what it met before.
    @Test func `Damaged files give the same with any number of lanes`() throws {
        let keep = Self.temporary()
        defer { try? FileManager.default.removeItem(at: keep) }
        let (_, summary) = try Self.run(
            [Self.folder(), "--count", "120", "--seed", "7", "--child", "/bin/false"], keep: keep)
        var answers = 0
        for path in summary.kept {
            func sample(_ threads: Int) -> Result<SampledFrames, VideoError> {
                let request = SamplingRequest(path: path, frames: 9, side: 28, threads: threads)
                return Result { () throws(VideoError) in try FrameSampler.sample(request) }
            }
            switch (sample(1), sample(4)) {
            case (.success(let one), .success(let several)):
                answers += 1
                #expect(one.frameIndex == several.frameIndex, "\(path)")
                #expect(one.pixels == several.pixels, "\(path)")
                #expect(one.warnings == several.warnings, "\(path)")
            case (.failure(let one), .failure(let several)):
                #expect(one.description == several.description)
            case (let one, let several):
                Issue.record("\(path): \(one) with one lane, \(several) with four")
            }
        }
        #expect(answers > 30)
    }
}
