import Foundation
import Glibc
package import Jobs
import LongVA
import Torch
package import VideoFrames

/// Looks at everything a run needs, without running anything.
package struct Doctor: Sendable {
    package var queue: QueueLocation
    /// `embedded`, a directory, or `nil` for the embedded model.
    package var model: String?
    /// `cpu` or `cuda:N`
    package var device: String
    package var torch: String?

    package init(queue: QueueLocation, model: String?, device: String, torch: String?) {
        self.queue = queue
        self.model = model
        self.device = device
        self.torch = torch
    }

    /// - Parameter sampler: asked whether its child starts
    package func examine(_ sampler: SamplerProcess) async -> [Finding] {
        // libtorch first: NVRTC is looked for beside it.
        var findings = [torchFinding()] + gpuFindings() + [ffmpegFinding]
        findings.append(await samplerFinding(sampler))
        findings.append(modelFinding())
        findings.append(memoryFinding)
        findings += await queueFindings()
        findings.append(journalFinding)
        findings.append(diskFinding)
        return findings
    }

    private func torchFinding() -> Finding {
        do {
            let library = try TorchLibrary.load(explicit: torch)
            if device != "cpu" { try library.loadCUDA() }
            return Finding(
                level: .ok, subject: "libtorch",
                detail: "\(library.version) in \(library.directory) (found by \(library.origin)), "
                    + "\(TorchLibrary.threadCount()) threads, device \(device)")
        } catch {
            return Finding(level: .error, subject: "libtorch", detail: "\(error)")
        }
    }

    private var ffmpegFinding: Finding {
        Finding(
            level: .ok, subject: "ffmpeg", detail: LibraryVersions.all.joined(separator: ", "))
    }

    /// A file that cannot exist: a child that says so works.
    private func samplerFinding(_ sampler: SamplerProcess) async -> Finding {
        do {
            _ = try await sampler.probe(path: "/dev/null/no video", timeBudget: .seconds(20))
        } catch let error as VideoError where error.code != .crashed && error.code != .timeout {
            return Finding(level: .ok, subject: "sampler", detail: "the sampling child starts")
        } catch {
            return Finding(level: .error, subject: "sampler", detail: "\(error)")
        }
        return Finding(level: .error, subject: "sampler", detail: "a missing file was read")
    }

    private func modelFinding() -> Finding {
        do {
            let reference = try ModelReference(model)
            let directory = try ModelDirectory(reference.directory)
            let dtype = ModelOptions.resolve(.auto, on: Device(device) ?? .cpu)
            let bytes = directory.weightBytes(dtype)
            let available = availableBytes() ?? .max
            let isTooBig = bytes > available
            return Finding(
                level: isTooBig ? .error : .ok, subject: "model",
                detail: "\(reference.directory): \(bytes >> 20) MiB as \(dtype), frames of side "
                    + "\(directory.layout.vision.imageSize), \(directory.tokenizer.count) tokens"
                    + (isTooBig ? "; only \(available >> 20) MiB of memory are available" : ""))
        } catch {
            return Finding(level: .error, subject: "model", detail: "\(error)")
        }
    }

    /// Where the weights go.
    private func availableBytes() -> Int? {
        guard let device = Device(device), device != .cpu else { return HostMemory.available() }
        return DeviceMemory(of: device).flatMap { try? Int($0.free()) }
    }

    private var memoryFinding: Finding {
        guard let bytes = HostMemory.available() else {
            return Finding(level: .warning, subject: "memory", detail: "/proc does not tell")
        }
        return Finding(
            level: bytes < 1 << 30 ? .warning : .ok, subject: "memory",
            detail: "\(bytes >> 20) MiB available")
    }

    private func queueFindings() async -> [Finding] {
        if case .sqlite(let path) = queue, !FileManager.default.fileExists(atPath: path) {
            let guardNote = SQLiteSafety.needsGuard ? "; checkpoints will be guarded" : ""
            return [
                Finding(
                    level: .ok, subject: "queue",
                    detail: "\(path): not made yet, SQLite \(SQLiteSafety.versionName)"
                        + guardNote)
            ]
        }
        do {
            return try await queue.open(readOnly: true).check()
        } catch {
            return [Finding(level: .error, subject: "queue", detail: "\(error)")]
        }
    }

    /// Answers that workers wrote down before they stored them. One that was stored is of no harm there.
    private var journalFinding: Finding {
        let folder = queue.answersFolder
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let bytes = names.filter { $0.hasSuffix(".jsonl") }.reduce(Int64(0)) {
            $0 + (ContentIdentity.statistics(folder + "/" + $1)?.size ?? 0)
        }
        return Finding(
            level: bytes > 1 << 30 ? .warning : .ok, subject: "answers",
            detail: bytes == 0
                ? "\(folder): no answers left over"
                : "\(folder): \(bytes) bytes of answers; `work` takes in what the queue has not, and "
                    + "prune --backup empties it")
    }

    private var diskFinding: Finding {
        // For a server's queue, where logs and journals go.
        var folder = URL(fileURLWithPath: queue.stateFolder).deletingLastPathComponent().path
        while folder != "/", !FileManager.default.fileExists(atPath: folder) {
            folder = URL(fileURLWithPath: folder).deletingLastPathComponent().path
        }
        var facts = statvfs()
        guard statvfs(folder, &facts) == 0 else {
            return Finding(
                level: .error, subject: "disk",
                detail: "\(folder): \(String(cString: strerror(errno)))")
        }
        let mebibytes = (UInt64(facts.f_bavail) * UInt64(facts.f_frsize)) >> 20
        let isWritable = access(folder, W_OK) == 0
        return Finding(
            level: !isWritable || mebibytes < 50 ? .error : mebibytes < 1024 ? .warning : .ok,
            subject: "disk",
            detail: "\(folder): \(mebibytes) MiB free" + (isWritable ? "" : ", not writable"))
    }
}
