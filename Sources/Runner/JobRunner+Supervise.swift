import Jobs

/// A step of a job that was run under supervision.
struct SupervisedRun<Value: Sendable>: Sendable {
    /// The step's own result, or the `Interruption` that ended the waiting for it.
    let result: Result<Value, any Error>
    fileprivate let step: Task<Void, Never>

    /// Waits until the step itself has ended, which an interruption only asks for.
    func finished() async { await step.value }
}

extension JobRunner {
    /// Runs a step until it ends, its job is taken away, `budget` is used up, or `stop` says so:
    /// whatever comes first decides.
    nonisolated func supervise<Value: Sendable>(
        _ lease: AttemptLease, budget: Duration, stop: @escaping @Sendable () async -> Bool,
        _ body: @escaping @Sendable () async throws -> Value
    ) async -> SupervisedRun<Value> {
        let ending = Latch<Result<Value, any Error>>()
        let step = Task {
            do { ending.set(.success(try await body())) } catch { ending.set(.failure(error)) }
        }
        let result = await withTaskGroup { group in
            group.addTask { [clock] in
                await clock.sleep(max(budget, .zero))
                if !Task.isCancelled { ending.set(.failure(Interruption.timedOut)) }
            }
            group.addTask {
                if let reason = await lease.takenAway.wait() { ending.set(.failure(reason)) }
            }
            group.addTask { if await stop() { ending.set(.failure(Interruption.stopped)) } }
            let result = await ending.wait()
            group.cancelAll()
            return result
        }
        step.cancel()
        return SupervisedRun(result: result ?? .failure(CancellationError()), step: step)
    }
}
