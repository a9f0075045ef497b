import Jobs
import LongVA
import Testing
import Torch
import VideoFrames

@testable import Runner

@Suite struct JobFailureTests {
    @Test(arguments: [
        (VideoError.Code.unreadable, ErrorClass.input), (.empty, .input), (.notAVideo, .input),
        (.noVideoStream, .input), (.moovMissing, .input), (.noFrames, .input), (.decode, .input),
        (.tooLarge, .input), (.timeout, .timeout), (.crashed, .crash), (.other, .internal),
    ])
    func `a video's error has the class that decides about retrying`(
        _ code: VideoError.Code, _ errorClass: ErrorClass
    ) {
        let error = VideoError(code: code, path: "/v.mp4", message: "as found")
        let problem = JobFailure(error, stage: nil)
        #expect(problem.failure.errorClass == errorClass)
        #expect(problem.failure.code == code.rawValue)
        #expect(problem.failure.stage == "decode")
        #expect(problem.isPermanent == (errorClass == .input))
    }

    @Test func `what the same attempt would meet again is not tried again`() {
        let permanent: [any Error] = [
            ModelError(.promptTooLong, ""), ModelError(.configuration, ""),
            ModelError(.numericalFailure, ""), WeightError("/m", "missing"),
            TokenizerError(file: "vocab.json", message: ""), AnalysisError("of another version"),
        ]
        for error in permanent { #expect(JobFailure(error, stage: nil).isPermanent, "\(error)") }
        let transient: [any Error] = [
            ModelError(.wouldNotFit, ""), TorchError(.outOfMemory, operation: "mm", message: ""),
            TorchError(.other, operation: "mm", message: ""), Interruption.timedOut,
        ]
        for error in transient { #expect(!JobFailure(error, stage: nil).isPermanent, "\(error)") }
    }

    @Test func `memory that ran out is a resource, by estimate or in fact`() {
        let estimated = JobFailure(ModelError(.wouldNotFit, "7 GiB"), stage: "prefill").failure
        let met = JobFailure(
            TorchError(.outOfMemory, operation: "mm", message: ""), stage: "prefill"
        ).failure
        #expect(estimated.errorClass == .resource)
        #expect(met.errorClass == .resource)
        #expect(estimated.code == met.code)
        #expect(estimated.stage == "prefill")
        #expect(estimated.message == "7 GiB")
    }
}
