import ArgumentParser
import EmbeddedModel
import Glibc
import Jobs
import LongVA
import Runner
import SparsePrefill
import Torch
import VideoFrames

/// Exit codes; schedulers rely on them.
enum CommandExit {
    static let failedJobs: Int32 = 3
    static let nothingToDo: Int32 = 4
    static let workLeft: Int32 = 5
    static let halted: Int32 = 6

    /// Says what went wrong and ends the process.
    static func end(with error: any Error) -> Never {
        if let code = code(for: error) {
            Terminal.complain("zipvl-batch: \(error)")
            exit(code)
        }
        // The parser's own: usage errors, `--help`, `--version`, and codes that commands throw.
        let code = ZipVLBatch.exitCode(for: error)
        let message = ZipVLBatch.fullMessage(for: error)
        if code == .success {
            print(message)
        } else if !message.isEmpty {
            Terminal.complain(message)
        }
        exit(code == .validationFailure ? 2 : code.rawValue)
    }

    /// `nil` for errors of the argument parser.
    private static func code(for error: any Error) -> Int32? {
        switch error {
        case let error as QueueError: code(for: error.kind)
        case is JobFileError, is AnalysisError, is EnqueueError, is TraceError,
            is MInferencePatternsError:
            2
        case is ImageError: 74
        case let error as ModelError: error.kind == .configuration ? 78 : failedJobs
        case is WeightError, is TokenizerError, is EmbeddedModelMissing: 78
        case let error as TorchError: error.kind == .unavailable ? 69 : 1
        case is VideoError, is Failure: failedJobs
        case is CancellationError: 130
        case let error as OutputError: error.code
        default: nil
        }
    }

    private static func code(for kind: QueueError.Kind) -> Int32 {
        switch kind {
        case .busy: 75
        case .unavailable: 69
        case .corrupt: 76
        case .full: 74
        case .incompatible: 78
        case .invalid: 2
        case .lost: 1
        }
    }
}

/// A file that could not be written.
struct OutputError: Error, CustomStringConvertible {
    let description: String
    var code: Int32 { 74 }
}
