import Foundation
import Jobs

/// How a list of questions is written.
package enum EvaluationFormat: String, Sendable, CaseIterable {
    /// The product's own JSON lines.
    case manifest
    case videoMME = "video-mme"
    case mlvu
    case longVideoBench = "longvideobench"

    /// Tells the formats apart by the keys of the first object.
    init?(keys: Set<String>) {
        if keys.isSuperset(of: ["question", "candidates", "correct_choice"]) {
            self = .longVideoBench
        } else if keys.isSuperset(of: ["video_id", "questions"])
            || keys.isSuperset(of: ["question", "options", "answer"])
        {
            self = .videoMME
        } else if keys.isSuperset(of: ["video", "question", "answer", "question_type"]) {
            self = .mlvu
        } else if keys.isSuperset(of: ["video", "question"]) {
            self = .manifest
        } else {
            return nil
        }
    }
}
