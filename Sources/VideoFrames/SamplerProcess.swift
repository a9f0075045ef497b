/// Samples in a child process of the same binary, so that a file that hangs or crashes libav costs that
/// file and nothing else. The child is started at the first request, kept, and started again after it was
/// killed or died. Requests are answered one after the other.
package actor SamplerProcess {
    private let driver: ChildDriver
    private let timeBudget: Duration

    /// - Parameters:
    ///   - executable: a binary whose hidden verb calls `SamplerChild.run`
    ///   - timeBudget: wall time for one file, unless a request states its own
    package init(
        executable: String, arguments: [String] = ["__sampler"],
        timeBudget: Duration = .seconds(120)
    ) {
        driver = ChildDriver(executable: executable, arguments: arguments)
        self.timeBudget = timeBudget
    }

    deinit { driver.stop() }

    /// - Throws: `VideoError`, with code `timeout` or `crashed` where the child was lost;
    ///   `CancellationError` if the task was cancelled, which ends the decoding at once.
    package func sample(
        _ request: SamplingRequest, timeBudget: Duration? = nil
    ) async throws -> SampledFrames {
        let (reply, pixels) = try await exchange(.sample, request, timeBudget)
        guard var frames = reply.frames,
            pixels.count == frames.count * frames.width * frames.height * 3
        else { throw Self.incomplete(request.path) }
        frames.pixels = pixels
        return frames
    }

    package func probe(path: String, timeBudget: Duration? = nil) async throws -> VideoFacts {
        let request = SamplingRequest(path: path, frames: 1)
        guard let facts = try await exchange(.probe, request, timeBudget).0.facts else {
            throw Self.incomplete(path)
        }
        return facts
    }

    /// Ends the child. Later requests fail as cancelled.
    package func shutDown() { driver.stop() }

    /// The child's process id while one runs.
    package var childProcessIdentifier: Int32? { driver.pid }

    /// Whether the child is at work on a request.
    package var isBusy: Bool { driver.isBusy }

    private func exchange(
        _ kind: ChildRequest.Kind, _ request: SamplingRequest, _ ownBudget: Duration?
    ) async throws -> (ChildReply, [UInt8]) {
        let budget = ownBudget ?? timeBudget
        // The child's own limit comes first: it answers with an error, and need not be started again.
        let margin = min(1000, budget.milliseconds / 10)
        let message = ChildRequest(
            kind: kind, sampling: request, budgetMilliseconds: budget.milliseconds - margin)
        let driver = self.driver
        let id = driver.reserveID()
        defer { driver.forget(id) }
        let result = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                driver.submit(
                    ChildDriver.Job(
                        id: id, request: message, budget: budget,
                        done: { continuation.resume(with: $0) }))
            }
        } onCancel: {
            driver.cancel(id)
        }
        if let error = result.0.error { throw error }
        return result
    }

    private static func incomplete(_ path: String) -> VideoError {
        VideoError(code: .crashed, path: path, message: "the sampler's reply was damaged")
    }
}
