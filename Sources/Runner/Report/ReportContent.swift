package import Foundation
package import Jobs

/// All that a report is made of.
package struct ReportContent: Sendable {
    /// The batch, or `nil` for all of the queue.
    package var batch: String?
    /// Path or URL of the queue, without a password: also what commands to copy name.
    package var queue: String
    package var version: String
    package var madeAt: Date
    /// Of the batches that the report is about.
    package var statuses: [BatchStatus] = []
    /// By job id.
    package var answers: [ReportAnswer] = []
    /// Failed jobs, by id.
    package var failures: [JobRow] = []
    package var attempts: [AttemptRow] = []
    /// By content id.
    package var thumbnails: [String: Thumbnail] = [:]
    /// Videos of the answers, by job.
    package var videos: [JobID: VideoRecord] = [:]
    package var showsThumbnails = true
    package var baseline: Baseline?
    /// What the reader should know of how the report was made.
    package var notes: [String] = []
    /// Most rows of the table of answers. Numbers are of all of them.
    package var answerLimit = 10_000

    package init(batch: String?, queue: String, version: String, madeAt: Date) {
        self.batch = batch
        self.queue = queue
        self.version = version
        self.madeAt = madeAt
    }

    /// The batch that this one is compared with.
    package struct Baseline: Sendable {
        package var batch: String
        package var answers: [ReportAnswer]

        package init(batch: String, answers: [ReportAnswer]) {
            self.batch = batch
            self.answers = answers
        }
    }

    /// A small picture of a video.
    package struct Thumbnail: Sendable {
        /// `image/png` or `image/jpeg`.
        package var type: String
        package var data: Data

        package init(type: String, data: Data) {
            self.type = type
            self.data = data
        }
    }

    var title: String { batch.map { "Batch \($0)" } ?? "All batches" }

    /// Methods in the order in which they first appear.
    var methods: [ReportMethod] { ReportMethod.methods(of: answers) }
}

/// The answers of one configuration.
struct ReportMethod {
    var label: String
    var model: String
    var optionsJSON: String
    var answers: [ReportAnswer]

    static func methods(of answers: [ReportAnswer]) -> [ReportMethod] {
        var places: [[String]: Int] = [:]
        var methods: [ReportMethod] = []
        for answer in answers {
            let key = [answer.model, answer.optionsJSON]
            if let place = places[key] {
                methods[place].answers.append(answer)
            } else {
                places[key] = methods.count
                methods.append(
                    ReportMethod(
                        label: answer.method, model: answer.model,
                        optionsJSON: answer.optionsJSON, answers: [answer]))
            }
        }
        return methods
    }
}
