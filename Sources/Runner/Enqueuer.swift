package import Foundation
package import Jobs
package import VideoFrames

/// Turns questions about files into jobs: every file is identified by its content and probed now, so that
/// one that is no video fails in seconds, without the model.
package struct Enqueuer: Sendable {
    /// What all jobs of one call share.
    package struct Template: Sendable {
        /// Each question is asked once under each.
        package var configs: [ConfigRecord]
        package var queue = "default"
        package var priority = 0
        package var runAt: Date?
        package var held = false
        package var maxAttempts = 3
        package var maxCrashes = 3
        package var timeout: Duration = .seconds(3600)
        /// Only videos of this part are enqueued.
        package var shard: Shard?

        package init(configs: [ConfigRecord]) { self.configs = configs }
    }

    private let queue: any QueueBackend
    private let probe: @Sendable (String) async throws -> VideoFacts
    /// Files that were looked at lately: the lines of a manifest ask about one video after another.
    private var looked: [PathKey: Looked] = [:]
    /// Files that were looked at.
    package private(set) var lookedCount = 0
    private let most: Int

    /// - Parameters:
    ///   - most: files that are remembered
    ///   - probe: reads a video's facts; throws `VideoError`
    package init(
        queue: any QueueBackend, most: Int = 20_000,
        probe: @escaping @Sendable (String) async throws -> VideoFacts
    ) {
        self.queue = queue
        self.most = most
        self.probe = probe
    }

    /// A file that has been looked at; `failure` says why it cannot be analysed.
    package struct Looked: Sendable {
        package var video: VideoRecord
        package var failure: Failure?
    }

    /// Jobs for some items, each file being looked at once.
    ///
    /// - Parameter progress: called with the number of files looked at so far
    package mutating func jobs(
        _ items: [EnqueueItem], _ template: Template, progress: (Int) -> Void = { _ in }
    ) async throws -> [NewJob] {
        try await look(at: items, progress)
        var jobs: [NewJob] = []
        jobs.reserveCapacity(items.count * template.configs.count)
        for item in items {
            guard let file = looked[PathKey(item.path)],
                template.shard?.contains(file.video.contentID) ?? true
            else { continue }
            // The path that was named now, of several names of one file.
            jobs += template.configs.map { config in
                NewJob(
                    video: file.video, config: config, question: item.question,
                    choices: item.choices, expected: item.expected, customID: item.customID,
                    queue: template.queue, priority: item.priority ?? template.priority,
                    runAt: template.runAt, held: template.held, maxAttempts: template.maxAttempts,
                    maxCrashes: template.maxCrashes, timeout: template.timeout,
                    failure: file.failure)
            }
        }
        return jobs
    }

    private mutating func look(
        at items: [EnqueueItem], _ progress: (Int) -> Void
    ) async throws {
        if looked.count > most { looked.removeAll(keepingCapacity: true) }
        var asked: Set<PathKey> = []
        var files: [KnownFile] = []
        var rest: [String] = []
        for item in items {
            let key = PathKey(item.path)
            guard asked.insert(key).inserted else { continue }
            let found = ContentIdentity.statistics(item.path)
            // Still the file that was looked at; one that is missing has size -1 and time 0.
            if let video = looked[key]?.video, video.sizeBytes == found?.size ?? -1,
                video.mtimeNanoseconds == found?.mtime ?? 0
            {
                continue
            }
            if let (size, mtime) = found {
                files.append(
                    KnownFile(path: item.path, sizeBytes: size, mtimeNanoseconds: mtime))
            } else {
                rest.append(item.path)
            }
        }
        // One question to the queue for all of them.
        for (file, video) in zip(files, try await queue.knownVideos(files)) {
            guard let video, video.probeError == nil else {
                rest.append(file.path)
                continue
            }
            looked[PathKey(file.path)] = Looked(video: video)
            lookedCount += 1
        }
        if rest.count < files.count { progress(lookedCount) }
        for path in rest {
            looked[PathKey(path)] = try await look(at: path)
            lookedCount += 1
            progress(lookedCount)
        }
    }

    /// - Throws: `CancellationError`; what is wrong with the file is in the result
    private func look(at path: String) async throws -> Looked {
        do {
            let facts = try await probe(path)
            let identity = try ContentIdentity.ofFile(path)
            return Looked(video: VideoRecord(path: path, identity, facts))
        } catch let error as CancellationError {
            throw error
        } catch {
            var failure = JobFailure(error, stage: "probe").failure
            failure.stage = "probe"
            var video = VideoRecord(path: path, ContentIdentity.ofBadFile(path), nil)
            video.probeError = failure.message
            return Looked(video: video, failure: failure)
        }
    }
}

/// One of n parts of all videos, by their content: the same on every machine, whatever files are called.
package struct Shard: Sendable, Equatable {
    /// 1 to `count`
    package var index: Int
    package var count: Int

    /// - Parameter text: `3/8`
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let index = parts[0], let count = parts[1],
            (1...1_000_000).contains(count), (1...count).contains(index)
        else { return nil }
        self.index = index
        self.count = count
    }

    package func contains(_ contentID: String) -> Bool {
        let digits = ContentIdentity.sha256(contentID).prefix(15)
        return Int(digits, radix: 16).map { $0 % count == index - 1 } ?? true
    }
}

extension VideoRecord {
    fileprivate init(path: String, _ identity: ContentIdentity, _ facts: VideoFacts?) {
        self.init(
            contentID: identity.id, path: path, sizeBytes: identity.sizeBytes,
            mtimeNanoseconds: identity.mtimeNanoseconds,
            durationMilliseconds: facts?.durationMilliseconds, width: facts?.width,
            height: facts?.height, framesPerSecond: facts?.framesPerSecond,
            frameCount: facts?.frameCount, codec: facts?.codec, container: facts?.container)
    }
}
