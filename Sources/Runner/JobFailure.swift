import EmbeddedModel
package import Jobs
import LongVA
import SparsePrefill
import Torch
import VideoFrames

/// How a job's error is recorded, and whether another attempt could end otherwise. The only place that
/// decides this.
package struct JobFailure: Sendable {
    package var failure: Failure
    /// The same attempt would fail the same way: bad input, a prompt too long, a broken model.
    package var isPermanent: Bool

    /// - Parameter stage: where the job was, for errors that do not say
    package init(_ error: any Error, stage: String?) {
        var stage = stage
        let (errorClass, code, isPermanent): (ErrorClass, String, Bool)
        switch error {
        case let error as Failure:
            stage = error.stage ?? stage
            (errorClass, code, isPermanent) = (error.errorClass, error.code, false)
        case let error as VideoError:
            (errorClass, isPermanent) = Self.kind(of: error.code)
            code = error.code.rawValue
            stage = "decode"
        case let error as ModelError:
            code = error.kind.rawValue
            (errorClass, isPermanent) = Self.kind(of: error.kind)
        case let error as TorchError:
            switch error.kind {
            case .outOfMemory:
                (errorClass, code, isPermanent) = (.resource, "out_of_memory", false)
            case .unavailable:
                (errorClass, code, isPermanent) = (.resource, "torch_unavailable", false)
            case .invalidArgument, .other:
                (errorClass, code, isPermanent) = (.internal, "torch", false)
            }
        case is WeightError: (errorClass, code, isPermanent) = (.internal, "bad_weights", true)
        case is MInferencePatternsError:
            (errorClass, code, isPermanent) = (.internal, "bad_patterns", true)
        case is TokenizerError: (errorClass, code, isPermanent) = (.internal, "bad_tokenizer", true)
        case is AnalysisError: (errorClass, code, isPermanent) = (.internal, "bad_options", true)
        case is EmbeddedModelMissing:
            (errorClass, code, isPermanent) = (.internal, "configuration", true)
        case is QueueError: (errorClass, code, isPermanent) = (.internal, "queue", false)
        case let error as Interruption:
            errorClass = error == .timedOut ? .timeout : .cancelled
            (code, isPermanent) = (error.rawValue, error != .timedOut)
        case is CancellationError:
            (errorClass, code, isPermanent) = (.internal, "interrupted", false)
        default: (errorClass, code, isPermanent) = (.internal, "unexpected", false)
        }
        let message = (error as? Failure)?.message ?? String(describing: error)
        failure = Failure(errorClass: errorClass, code: code, message: message, stage: stage)
        self.isPermanent = isPermanent || errorClass == .input
    }

    private static func kind(of code: VideoError.Code) -> (ErrorClass, isPermanent: Bool) {
        switch code {
        case .unreadable, .empty, .notAVideo, .noVideoStream, .moovMissing, .noFrames, .decode,
            .tooLarge:
            (.input, true)
        case .timeout: (.timeout, false)
        case .crashed: (.crash, false)
        case .other: (.internal, false)
        }
    }

    private static func kind(of kind: ModelError.Kind) -> (ErrorClass, isPermanent: Bool) {
        switch kind {
        case .promptTooLong: (.input, true)
        // Other programs may have left by then.
        case .wouldNotFit: (.resource, false)
        case .configuration, .numericalFailure, .frames: (.internal, true)
        }
    }
}

/// What ended an attempt from outside.
enum Interruption: String, Error, CustomStringConvertible {
    case timedOut = "timed_out"
    case cancelRequested = "cancelled"
    /// The queue says so.
    case leaseLost = "lease_lost"
    /// The queue could not be reached until shortly before the lease's end.
    case fenced
    case stopped = "interrupted"
    case outOfTime = "out_of_time"

    var description: String {
        switch self {
        case .timedOut: "the job's time limit was used up"
        case .cancelRequested: "cancelled on request"
        case .leaseLost: "the lease was lost"
        case .fenced: "the queue could not be reached, and the lease would have run out"
        case .stopped: "the worker was stopped"
        case .outOfTime: "the worker's time is up"
        }
    }
}
