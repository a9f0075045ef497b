import Jobs

/// A step of one or more jobs that was run under supervision.
struct SupervisedRun<Value: Sendable>: Sendable {
    /// The step's own result, or the `Interruption` that ended the waiting for it.
    let result: Result<Value, any Error>
    /// Set when the step itself has ended, which an interruption only asks for.
    let ended: Latch<Void>
}

extension JobRunner {
    /// Runs a step until it ends, all its jobs are taken away, `budget` is used up, or `stop` says so:
    /// whatever comes first decides.
    nonisolated func supervise<Value: Sendable>(
        _ leases: [AttemptLease], budget: Duration, stop: @escaping @Sendable () async -> Bool,
        _ body: @escaping @Sendable () async throws -> Value
    ) async -> SupervisedRun<Value> {
        let ending = Latch<Result<Value, any Error>>()
        let ended = Latch<Void>()
        let step = Task {
            do { ending.set(.success(try await body())) } catch { ending.set(.failure(error)) }
            ended.set(())
        }
        let result = await withTaskGroup { group in
            group.addTask { [clock] in
                await clock.sleep(max(budget, .zero))
                if !Task.isCancelled { ending.set(.failure(Interruption.timedOut)) }
            }
            group.addTask {
                var reason: Interruption?
                for lease in leases {
                    reason = await lease.takenAway.wait()
                    if reason == nil { return }
                }
                if let reason { ending.set(.failure(reason)) }
            }
            group.addTask { if await stop() { ending.set(.failure(Interruption.stopped)) } }
            let result = await ending.wait()
            group.cancelAll()
            return result
        }
        step.cancel()
        return SupervisedRun(result: result ?? .failure(CancellationError()), ended: ended)
    }
}
