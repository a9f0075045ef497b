import FoundationEssentials
import Glibc
import VideoFrames

/// Makes damaged files, has them sampled and counts what comes of it.
final class FuzzRun {
    private let videos: [FuzzVideo]
    private let sampler: SamplerProcess
    private let keep: String
    private let scratch: String
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private var tally: FuzzTally
    private var memory = FuzzMemory()
    private var lastChild: Int32?

    init(videos: [FuzzVideo], seed: UInt64, sampler: SamplerProcess, keep: String) {
        self.videos = videos
        self.sampler = sampler
        self.keep = keep
        tally = FuzzTally(seed: seed)
        start = clock.now
        // In memory, where there is a file system for that.
        let folder =
            access("/dev/shm", W_OK) == 0
            ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        scratch = "\(folder)/zipvl-fuzz-\(getpid())"
        mkdir(scratch, 0o700)
    }

    func removeScratch() { try? FileManager.default.removeItem(atPath: scratch) }

    /// Makes file `number` and samples it.
    func sample(_ number: Int) async throws {
        var random = FuzzRandom(seed: tally.seed, number: number)
        let video = videos[random.below(videos.count)]
        let mutation = FuzzMutation.allCases[random.below(FuzzMutation.allCases.count)]
        var bytes = video.bytes
        mutation.apply(to: &bytes, other: videos[random.below(videos.count)].bytes, &random)
        let name = "\(tally.seed)-\(number)-\(mutation.rawValue)-\(video.name)"
        let path = "\(scratch)/\(name)"
        try Data(bytes).write(to: URL(filePath: path))
        defer { unlink(path) }
        let request = Self.request(path, &random)
        tally.count += 1
        var harm = await attempt(request)
        if harm == .hang {
            // On a busy machine the child may not have had its time: a file that hangs does so again.
            for _ in 0..<2 where harm == .hang { harm = await attempt(request) }
            if harm == .hang { tally.hangs += 1 } else { tally.late += 1 }
        }
        if harm != nil { try keepFile(path, name, request) }
    }

    private enum Harm { case crash, hang, malformed }

    private func attempt(_ request: SamplingRequest) async -> Harm? {
        let begin = clock.now
        var harm: Harm?
        do {
            let frames = try await sampler.sample(request)
            if let fault = FuzzTally.fault(in: frames, of: request) {
                tally.malformed += 1
                harm = .malformed
                note("\(request.path): \(fault)")
            }
            tally.answered += 1
            if !frames.warnings.isEmpty { tally.warned += 1 }
        } catch {
            harm = await count(error, request)
        }
        let time = (clock.now - begin).components
        if harm != .hang {
            tally.slowestMilliseconds = max(
                tally.slowestMilliseconds,
                Double(time.seconds) * 1e3 + (Double(time.attoseconds) * 1e-15).rounded())
        }
        let pid = await sampler.childProcessIdentifier
        if let pid, let lastChild, pid != lastChild { tally.childRestarts += 1 }
        lastChild = pid ?? lastChild
        return harm
    }

    private func count(_ error: any Error, _ request: SamplingRequest) async -> Harm? {
        guard let error = error as? VideoError, !error.message.isEmpty else {
            tally.malformed += 1
            note("\(request.path): \(error)")
            return .malformed
        }
        switch error.code {
        case .crashed:
            tally.crashes += 1
            note("\(error)")
            return .crash
        case .timeout:
            // After a kill there is no child.
            if await sampler.childProcessIdentifier == nil { return .hang }
            tally.timeouts += 1
        default:
            tally.failed[error.code.rawValue, default: 0] += 1
        }
        return nil
    }

    /// Few and small frames: this is about reading. Everything else that a request can ask for is mixed.
    private static func request(_ path: String, _ random: inout FuzzRandom) -> SamplingRequest {
        let modes: [SamplingMode] = [.exact, .exact, .time, .keyframe]
        return SamplingRequest(
            path: path, frames: 4 + random.below(13), side: 8 + random.below(57),
            mode: modes[random.below(modes.count)],
            resize: random.below(2) == 0 ? .pillow : .swscale,
            geometry: random.below(4) == 0 ? .squash : .crop, threads: 1 + random.below(2))
    }

    private func keepFile(_ path: String, _ name: String, _ request: SamplingRequest) throws {
        try FileManager.default.createDirectory(
            atPath: keep, withIntermediateDirectories: true)
        let kept = "\(keep)/\(name)"
        try? FileManager.default.removeItem(atPath: kept)
        try FileManager.default.copyItem(atPath: path, toPath: kept)
        tally.kept.append(kept)
        note(
            "kept \(kept): \(request.frames) frames of \(request.side), \(request.mode), "
                + "\(request.resize), \(request.geometry), \(request.threads) threads")
    }

    func readMemory() async { memory.read(child: await sampler.childProcessIdentifier) }

    func note(_ text: String) {
        var errors = StandardError()
        print(text, to: &errors)
    }

    func finish() async -> FuzzTally {
        await sampler.shutDown()
        tally.memory = memory.verdict
        tally.seconds = Double((clock.now - start).components.seconds)
        return tally
    }
}

private struct StandardError: TextOutputStream {
    func write(_ text: String) { _ = text.withCString { Glibc.write(2, $0, strlen($0)) } }
}
