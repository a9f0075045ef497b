import Foundation
import Testing

@testable import VideoFrames

/// The child is `zipvl-bench-io __sampler`, built beside the tests.
@Suite struct SamplerProcessTests {
    static func makeSampler(_ budget: Duration = .seconds(60)) throws -> SamplerProcess {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder = URL(filePath: own).deletingLastPathComponent()
        let executable = folder.appending(path: "zipvl-bench-io").path
        try #require(
            FileManager.default.isExecutableFile(atPath: executable), "no \(executable) was built")
        return SamplerProcess(executable: executable, timeBudget: budget)
    }

    static func isAlive(_ pid: Int32) -> Bool { kill(pid, 0) == 0 }

    /// The child's id, which a probe makes sure of.
    static func startedChild(_ sampler: SamplerProcess) async throws -> Int32 {
        _ = try await sampler.probe(path: EdgeCorpus.path("ten_frames.mp4"))
        return try #require(await sampler.childProcessIdentifier)
    }

    @Test func `The child's frames are those of sampling in this process`() async throws {
        let sampler = try Self.makeSampler()
        for (file, side) in [("h264_bframes.mp4", 56), ("h264_rot90.mp4", 0), ("image.png", 28)] {
            let request = SamplingRequest(path: try EdgeCorpus.path(file), frames: 8, side: side)
            let remote = try await sampler.sample(request)
            let local = try FrameSampler.sample(request)
            #expect(remote.pixels == local.pixels)
            #expect(remote.frameIndex == local.frameIndex)
            #expect(remote.framePTSMilliseconds == local.framePTSMilliseconds)
            #expect(remote.facts == local.facts)
            #expect(remote.childPeakBytes > 1 << 20)
            #expect(try await sampler.probe(path: request.path) == local.facts)
        }
        await sampler.shutDown()
    }

    @Test func `Errors come back as they are, and the child lives on`() async throws {
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        let path = try EdgeCorpus.path("zero.mp4")
        let error = await #expect(throws: VideoError.self) { try await sampler.probe(path: path) }
        #expect(error?.code == .empty)
        #expect(error?.path == path)
        #expect(await sampler.childProcessIdentifier == pid)
        await sampler.shutDown()
    }

    @Test func `A child that hangs is killed at the time budget and replaced`() async throws {
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        kill(pid, SIGSTOP)
        let path = try EdgeCorpus.path("h264_bframes.mp4")
        let start = ContinuousClock.now
        let error = await #expect(throws: VideoError.self) {
            try await sampler.probe(path: path, timeBudget: .milliseconds(300))
        }
        #expect(error?.code == .timeout)
        #expect(error?.path == path)
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(!Self.isAlive(pid))
        #expect(try await sampler.probe(path: path).frameCount == 450)
        #expect(await sampler.childProcessIdentifier != pid)
        await sampler.shutDown()
    }

    @Test func `A child that crashes costs the file it was reading`() async throws {
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        let path = try EdgeCorpus.path("h264_bframes.mp4")
        kill(pid, SIGSTOP)
        let request = Task { try await sampler.probe(path: path) }
        while await !sampler.isBusy { try await Task.sleep(for: .milliseconds(10)) }
        kill(pid, SIGSEGV)
        kill(pid, SIGCONT)
        let error = await #expect(throws: VideoError.self) { try await request.value }
        #expect(error?.code == .crashed)
        #expect(error?.message.contains("signal 11") == true, "\(error?.message ?? "")")
        #expect(try await sampler.probe(path: path).frameCount == 450)
        await sampler.shutDown()
    }

    @Test func `A child that died between requests is replaced silently`() async throws {
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        kill(pid, SIGKILL)
        try await Task.sleep(for: .milliseconds(100))
        let path = try EdgeCorpus.path("two_frames.mp4")
        #expect(try await sampler.probe(path: path).frameCount == 2)
        #expect(!Self.isAlive(pid))
        await sampler.shutDown()
    }

    @Test func `A decoding that is too long gives a timeout`() async throws {
        let sampler = try Self.makeSampler()
        let path = try EdgeCorpus.path("av1.mp4")
        let error = await #expect(throws: VideoError.self) {
            try await sampler.sample(
                SamplingRequest(path: path, frames: 128, side: 0), timeBudget: .milliseconds(150))
        }
        #expect(error?.code == .timeout)
        await sampler.shutDown()
    }

    @Test func `Cancelling a task ends its request at once`() async throws {
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        kill(pid, SIGSTOP)
        let path = try EdgeCorpus.path("h264_bframes.mp4")
        let start = ContinuousClock.now
        let request = Task { try await sampler.probe(path: path) }
        while await !sampler.isBusy { try await Task.sleep(for: .milliseconds(10)) }
        request.cancel()
        await #expect(throws: CancellationError.self) { try await request.value }
        #expect(ContinuousClock.now - start < .seconds(60))
        #expect(try await sampler.probe(path: path).frameCount == 450)
        await sampler.shutDown()
    }

    @Test func `Shutting down ends the child and leaves no zombie`() async throws {
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        await sampler.shutDown()
        for _ in 0..<100 where Self.isAlive(pid) { try await Task.sleep(for: .milliseconds(20)) }
        #expect(!Self.isAlive(pid))
        await #expect(throws: CancellationError.self) { try await sampler.probe(path: "x") }
    }

    @Test func `An executable that is not there is an error with its name`() async throws {
        let sampler = SamplerProcess(executable: "/nowhere/zipvl")
        let error = await #expect(throws: VideoError.self) {
            try await sampler.probe(path: "x.mp4")
        }
        #expect(error?.code == .other)
        #expect(error?.message.contains("/nowhere/zipvl") == true)
    }

    @Test func `The child gets no descriptor but its own`() async throws {
        let leak = open(#filePath, O_RDONLY)
        defer { close(leak) }
        let sampler = try Self.makeSampler()
        let pid = try await Self.startedChild(sampler)
        let files = FileManager.default
        let targets = try files.contentsOfDirectory(atPath: "/proc/\(pid)/fd").compactMap {
            try? files.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)")
        }
        #expect(targets.contains { $0.contains("zipvl-frames") })
        #expect(!targets.contains { $0.hasSuffix(".swift") })
        #expect(targets.count { $0.hasPrefix("socket:") } == 1)
        await sampler.shutDown()
    }
}
