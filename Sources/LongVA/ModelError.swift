/// What a model directory or a prompt is refused for, in words that name the file or the limit.
package struct ModelError: Error, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// A file of the model directory is missing, unreadable or says something unsupported.
        case configuration
        /// The prompt does not fit the model's context.
        case promptTooLong = "prompt_too_long"
        /// The prompt does not fit the machine's memory, by estimate, before it is tried.
        case wouldNotFit = "out_of_memory"
        /// NaN or infinity where logits should be.
        case numericalFailure = "nan_logits"
        /// Frames whose size or count the model does not take.
        case frames = "bad_frames"
    }

    package let kind: Kind
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
