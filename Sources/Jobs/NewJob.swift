package import Foundation

/// One `enqueue` call or one job file.
package struct BatchSpec: Sendable {
    package var name: String
    /// Path of the job file or directory, or `-` for standard input.
    package var source: String
    /// Canonical JSON of what was asked for.
    package var specJSON: String

    package init(name: String, source: String, specJSON: String) {
        self.name = name
        self.source = source
        self.specJSON = specJSON
    }
}

/// A video as the queue knows it. `contentID` is `sha256:<hex>`, or `bad:<path>:<size>:<mtime>` for a
/// file that is not a video.
package struct VideoRecord: Sendable, Hashable {
    package var contentID: String
    package var path: String
    package var sizeBytes: Int64
    package var mtimeNanoseconds: Int64
    package var durationMilliseconds: Int64?
    package var width: Int?
    package var height: Int?
    package var framesPerSecond: Double?
    package var frameCount: Int?
    package var codec: String?
    package var container: String?
    package var probeError: String?

    package init(
        contentID: String, path: String, sizeBytes: Int64, mtimeNanoseconds: Int64,
        durationMilliseconds: Int64? = nil, width: Int? = nil, height: Int? = nil,
        framesPerSecond: Double? = nil, frameCount: Int? = nil, codec: String? = nil,
        container: String? = nil, probeError: String? = nil
    ) {
        self.contentID = contentID
        self.path = path
        self.sizeBytes = sizeBytes
        self.mtimeNanoseconds = mtimeNanoseconds
        self.durationMilliseconds = durationMilliseconds
        self.width = width
        self.height = height
        self.framesPerSecond = framesPerSecond
        self.frameCount = frameCount
        self.codec = codec
        self.container = container
        self.probeError = probeError
    }
}

/// Everything that can change an answer.
package struct ConfigRecord: Sendable, Hashable {
    /// sha256 over the canonical `optionsJSON` and the model's fingerprint.
    package var fingerprint: String
    /// Directory of the model, or `embedded`.
    package var model: String
    package var modelSHA256: String
    package var optionsJSON: String

    package init(fingerprint: String, model: String, modelSHA256: String, optionsJSON: String) {
        self.fingerprint = fingerprint
        self.model = model
        self.modelSHA256 = modelSHA256
        self.optionsJSON = optionsJSON
    }
}

/// One question about one video under one config.
package struct NewJob: Sendable {
    package var video: VideoRecord
    package var config: ConfigRecord
    package var question: String
    package var choices: [String]?
    package var expected: String?
    package var customID: String?
    package var queue: String = "default"
    package var priority: Int = 0
    package var runAt: Date?
    package var held: Bool = false
    package var maxAttempts: Int = 3
    package var maxCrashes: Int = 3
    package var timeout: Duration = .seconds(3600)
    /// Set when the file could not be probed: the job is inserted as `failed` with this reason.
    package var failure: Failure?

    package init(
        video: VideoRecord, config: ConfigRecord, question: String, choices: [String]? = nil,
        expected: String? = nil, customID: String? = nil, queue: String = "default",
        priority: Int = 0, runAt: Date? = nil,
        held: Bool = false, maxAttempts: Int = 3, maxCrashes: Int = 3,
        timeout: Duration = .seconds(3600), failure: Failure? = nil
    ) {
        self.video = video
        self.config = config
        self.question = question
        self.choices = choices
        self.expected = expected
        self.customID = customID
        self.queue = queue
        self.priority = priority
        self.runAt = runAt
        self.held = held
        self.maxAttempts = maxAttempts
        self.maxCrashes = maxCrashes
        self.timeout = timeout
        self.failure = failure
    }
}

/// What became of the items of one `enqueue` call.
package struct EnqueueReport: Sendable {
    /// An item that a job (of this call or an older one) already answers or will answer.
    package struct Reused: Sendable {
        package var path: String
        package var question: String
        package var job: JobID
        package var state: JobState

        package init(path: String, question: String, job: JobID, state: JobState) {
            self.path = path
            self.question = question
            self.job = job
            self.state = state
        }
    }
    package var inserted: [JobID]
    package var reused: [Reused]
    /// Jobs inserted as failed rows because their file cannot be read or is not a video.
    package var rejected: [JobID]

    package init(inserted: [JobID], reused: [Reused], rejected: [JobID]) {
        self.inserted = inserted
        self.reused = reused
        self.rejected = rejected
    }
}

extension NewJob {
    /// In which it begins.
    var state: JobState { failure != nil ? .failed : held ? .held : .queued }
}
