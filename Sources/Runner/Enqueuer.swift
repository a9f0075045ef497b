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
        package var priority = 0
        package var runAt: Date?
        package var held = false
        package var maxAttempts = 3
        package var maxCrashes = 3
        package var timeout: Duration = .seconds(3600)

        package init(configs: [ConfigRecord]) { self.configs = configs }
    }

    private let queue: any QueueBackend
    private let probe: @Sendable (String) async throws -> VideoFacts

    /// - Parameter probe: reads a video's facts; throws `VideoError`
    package init(
        queue: any QueueBackend, probe: @escaping @Sendable (String) async throws -> VideoFacts
    ) {
        self.queue = queue
        self.probe = probe
    }

    /// A file that has been looked at; `failure` says why it cannot be analysed.
    package struct Looked: Sendable {
        package var video: VideoRecord
        package var failure: Failure?
    }

    /// Jobs for all items, each file being looked at once.
    ///
    /// - Parameter progress: called with the number of files looked at and of all
    package func jobs(
        _ items: [EnqueueItem], _ template: Template,
        progress: (Int, Int) -> Void = { _, _ in }
    ) async throws -> [NewJob] {
        var looked: [String: Looked] = [:]
        let count = Set(items.map(\.path)).count
        var jobs: [NewJob] = []
        for item in items {
            let file: Looked
            if let known = looked[item.path] {
                file = known
            } else {
                file = try await look(at: item.path)
                looked[item.path] = file
                progress(looked.count, count)
            }
            jobs += template.configs.map { config in
                NewJob(
                    video: file.video, config: config, question: item.question,
                    choices: item.choices, expected: item.expected, customID: item.customID,
                    priority: item.priority ?? template.priority, runAt: template.runAt,
                    held: template.held, maxAttempts: template.maxAttempts,
                    maxCrashes: template.maxCrashes, timeout: template.timeout,
                    failure: file.failure)
            }
        }
        return jobs
    }

    /// - Throws: `QueueError` or `CancellationError`; what is wrong with the file is in the result
    package func look(at path: String) async throws -> Looked {
        if let (size, mtime) = ContentIdentity.statistics(path),
            let known = try await queue.knownVideo(
                path: path, sizeBytes: size, mtimeNanoseconds: mtime), known.probeError == nil
        {
            return Looked(video: known)
        }
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
