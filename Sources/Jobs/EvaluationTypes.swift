/// `evaluations.evaluation_id`.
package typealias EvaluationID = Int64
/// `evaluation_methods.method_id`.
package typealias EvaluationMethodID = Int64

/// What is evaluated. Manifest, model and name identify it: the same three go on with what stands.
package struct EvaluationSpec: Sendable, Equatable {
    package var name: String
    /// Path, for people.
    package var manifest: String
    /// sha256 of what was read there, as hexadecimal digits.
    package var manifestSHA256: String
    /// `manifest`, `video-mme`, `mlvu` or `longvideobench`.
    package var format: String
    package var model: String
    package var modelSHA256: String

    package init(
        name: String, manifest: String, manifestSHA256: String, format: String, model: String,
        modelSHA256: String
    ) {
        self.name = name
        self.manifest = manifest
        self.manifestSHA256 = manifestSHA256
        self.format = format
        self.model = model
        self.modelSHA256 = modelSHA256
    }
}

/// One question of a manifest with its truth.
package struct EvaluationItem: Sendable, Equatable {
    /// Path of the file.
    package var video: String
    package var question: String
    /// Options without letters; `nil` for an open question.
    package var choices: [String]?
    /// An option's text or letter, or the exact answer.
    package var expected: String
    /// What accuracy is broken down by: a duration class, a kind of task.
    package var group: String?
    package var customID: String?

    package init(
        video: String, question: String, choices: [String]? = nil, expected: String,
        group: String? = nil, customID: String? = nil
    ) {
        self.video = video
        self.question = question
        self.choices = choices
        self.expected = expected
        self.group = group
        self.customID = customID
    }
}

/// One method at one number of frames.
package struct EvaluationMethod: Sendable, Hashable {
    /// As people name it: `zipvl:tau=0.96`.
    package var label: String
    package var frames: Int
    /// Every resolved option; equal options are one method.
    package var optionsJSON: String

    package init(label: String, frames: Int, optionsJSON: String) {
        self.label = label
        self.frames = frames
        self.optionsJSON = optionsJSON
    }
}

/// One item under one method: an answer, or why there is none.
package struct EvaluationAnswer: Sendable {
    package var method: EvaluationMethodID
    /// Index in the manifest.
    package var item: Int
    package var outcome: Result<Answer, Failure>

    package init(method: EvaluationMethodID, item: Int, outcome: Result<Answer, Failure>) {
        self.method = method
        self.item = item
        self.outcome = outcome
    }
}

/// An evaluation as it stands in the store.
package struct OpenEvaluation: Sendable, Equatable {
    package var id: EvaluationID
    /// Ids of the methods, in the order in which they were given.
    package var methods: [EvaluationMethodID]
    /// For each method the items that have an answer. Failed items are not among them.
    package var answered: [Set<Int>]

    package init(
        id: EvaluationID, methods: [EvaluationMethodID], answered: [Set<Int>]
    ) {
        self.id = id
        self.methods = methods
        self.answered = answered
    }
}
