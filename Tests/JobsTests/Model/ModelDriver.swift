import Foundation

@testable import Jobs

/// Applies operations to one queue and writes its replies down with numbers of its own for jobs,
/// attempts and workers, so that those of two back ends can be compared.
final class ModelDriver {
    let test: QueueUnderTest
    /// `nil` for those that may have been pruned: an id may be another's then.
    private var workers: [WorkerID?] = []
    private var workerNames: [String: Int] = [:]
    /// They died or signed off, and do not claim any more.
    private var ended: Set<WorkerID> = []
    private var claims: [Claim] = []
    private var jobs: [JobID?] = []

    init(_ test: QueueUnderTest) { self.test = test }

    /// The reply, or the kind of its error. Clocks are not moved here.
    func apply(_ operation: ModelOperation) async -> String {
        do {
            return try await reply(to: operation)
        } catch let error as QueueError {
            return "error \(error.kind)"
        } catch {
            return "error \(error)"
        }
    }

    private func reply(to operation: ModelOperation) async throws -> String {
        let queue = test.queue
        switch operation {
        case .enqueue(let batch, let items):
            let spec = BatchSpec(name: "batch \(batch)", source: "-", specJSON: "{}")
            return note(try await queue.enqueue(spec, items.map { $0.job(at: test.clock.now) }))
        case .register(let isFar): return try await register(isFar: isFar)
        case .unregister(let number):
            guard let worker = worker(number) else { return "-" }
            try await queue.unregister(worker, reason: "stop")
            ended.insert(worker)
            return ""
        case .claim(let number, let limit, let queues, let model):
            guard let worker = worker(number), !ended.contains(worker) else { return "-" }
            let filter = ClaimFilter(
                queues: queues.map(queueName), modelSHA256: model.map { "m\($0)" })
            return note(
                try await queue.claim(worker, filter: filter, limit: limit, lease: .seconds(60)))
        case .start(let number):
            guard let claim = claim(number) else { return "-" }
            return "\(try await queue.start(claim.attempt))"
        case .heartbeat(let number, let numbers, let progress, let stage):
            guard let worker = worker(number) else { return "-" }
            let live = numbers.compactMap { claim($0) }.map {
                LiveAttempt($0.attempt, progress: progress, stage: stage)
            }
            let replies = try await queue.heartbeat(worker, live, lease: .seconds(60))
            return live.map { "\(replies[$0.attempt].map { "\($0)" } ?? "none")" }
                .joined(separator: ", ")
        case .complete(let number, let milliseconds):
            guard let claim = claim(number) else { return "-" }
            return "\(try await queue.complete(claim.attempt, answer(milliseconds)))"
        case .fail(let number, let errorClass, let after):
            guard let claim = claim(number) else { return "-" }
            let retryAt = after.map { Date(milliseconds: test.clock.now + $0) }
            let failure = Failure.sample(errorClass)
            return "\(try await queue.fail(claim.attempt, failure, retryAt: retryAt))"
        case .release(let number):
            guard let claim = claim(number) else { return "-" }
            return "\(try await queue.release(claim.attempt, reason: "stop"))"
        case .noteLog(let number):
            guard let claim = claim(number) else { return "-" }
            try await queue.noteLog(claim.attempt, path: "/log")
            return ""
        case .change(let change, let selection):
            return "\(try await apply(change, self.selection(selection)))"
        case .pause(let number):
            try await queue.pause(queue: queueName(number))
            return ""
        case .resume(let number):
            try await queue.resume(queue: queueName(number))
            return ""
        case .limit(let number, let count):
            try await test.limit(queueName(number), count)
            return ""
        case .advance: return ""
        case .die(let number):
            guard let worker = worker(number) else { return "-" }
            try await test.endLife(worker)
            ended.insert(worker)
            return ""
        case .rescue:
            return try await queue.rescue().map {
                "\(job($0.job)) \(attempt($0.attempt)) \($0.fate)"
            }.joined(separator: ", ")
        case .readmit(let number, let isStray):
            guard let claim = claim(number) else { return "-" }
            return "\(try await queue.readmit(line(claim, isStray: isStray)))"
        case .prune(let age, let states, let batch, let isDry):
            let retention = Retention(
                before: Date(milliseconds: test.clock.now - age), states: states,
                batch: batch.map { "batch \($0)" })
            let report = try await queue.prune(retention, isDry: isDry)
            let left = Set(try await queue.list(JobSelection(), limit: .max).map(\.jobID))
            jobs = jobs.map { $0.flatMap { left.contains($0) ? $0 : nil } }
            let working = Set(try await queue.workers().map(\.workerID))
            workers = workers.map { $0.flatMap { working.contains($0) ? $0 : nil } }
            return "\(report)"
        case .maintain:
            try await queue.maintain()
            return ""
        }
    }

    private func apply(
        _ change: ModelOperation.Change, _ selection: JobSelection
    ) async throws -> Int {
        switch change {
        case .cancel: try await test.queue.cancel(selection)
        case .retry: try await test.queue.retry(selection)
        case .hold: try await test.queue.hold(selection)
        case .unhold: try await test.queue.unhold(selection)
        case .prioritize(let priority):
            try await test.queue.prioritize(selection, priority: priority)
        }
    }

    // MARK: Numbers to ids

    private func queueName(_ number: Int) -> String { number == 0 ? "default" : "queue \(number)" }

    private func worker(_ number: Int) -> WorkerID? {
        workers.isEmpty ? nil : workers[number % workers.count]
    }

    /// Negative numbers count from the last.
    private func claim(_ number: Int) -> Claim? {
        guard !claims.isEmpty else { return nil }
        let rest = number % claims.count
        return claims[rest < 0 ? rest + claims.count : rest]
    }

    private func selection(_ selection: ModelOperation.Selection) -> JobSelection {
        var result = JobSelection()
        result.ids = selection.jobs.map { numbers in
            let ids = numbers.compactMap { jobs.isEmpty ? nil : jobs[$0 % jobs.count] }.sorted()
            guard let first = ids.first, let last = ids.last else { return 0...0 }
            return first...last
        }
        result.batch = selection.batch.map { "batch \($0)" }
        result.states = selection.states
        result.errorClasses = selection.errorClasses
        result.customID = selection.customID.map { "c\($0)" }
        result.modelSHA256 = selection.model.map { "m\($0)" }
        return result
    }

    private func line(_ claim: Claim, isStray: Bool) -> JournalledAnswer {
        JournalledAnswer(
            job: isStray ? other(than: claim.job) : claim.job,
            attempt: isStray ? claim.attempt + 1_000_000 : claim.attempt,
            dedupeKey: claim.dedupeKey, answer: answer(1234), writtenAtMS: test.clock.now - 5)
    }

    /// The next job, which may have been asked the same, or none.
    private func other(than job: JobID) -> JobID {
        let next = jobs.lastIndex(of: job).map { $0 + 1 } ?? jobs.endIndex
        return next < jobs.endIndex ? jobs[next] ?? 1_000_000 : 1_000_000
    }

    private func answer(_ milliseconds: Int) -> Answer {
        var answer = Answer.sample("took \(milliseconds) ms")
        answer.totalMS = Double(milliseconds)
        return answer
    }

    // MARK: Ids to numbers

    func job(_ id: JobID) -> String {
        jobs.lastIndex(of: id).map { "job \($0)" } ?? "unknown job"
    }

    func attempt(_ id: AttemptID) -> String {
        claims.firstIndex { $0.attempt == id }.map { "attempt \($0)" } ?? "attempt of a journal"
    }

    func worker(id: WorkerID) -> String {
        workers.lastIndex(of: id).map { "worker \($0)" } ?? "unknown worker"
    }

    func worker(named name: String) -> String { workerNames[name].map { "worker \($0)" } ?? name }

    private func register(isFar: Bool) async throws -> String {
        let id =
            isFar ? try await test.farWorker() : try await test.worker()
        let name = try await test.queue.workers().first { $0.workerID == id }?.name
        if let name { workerNames[name] = workers.count }
        workers.append(id)
        ended.remove(id)
        return name == nil ? "not listed" : ""
    }

    private func note(_ report: EnqueueReport) -> String {
        jobs += (report.inserted + report.rejected).sorted()
        let reused = report.reused.map { "\(job($0.job)) \($0.state) \($0.path) \($0.question)" }
        return "inserted \(report.inserted.map(job)) rejected \(report.rejected.map(job)) "
            + "reused \(reused)"
    }

    private func note(_ new: [Claim]) -> String {
        claims += new
        return new.map { claim in
            "\(job(claim.job)) \(claim.number) of \(claim.maxAttempts) \(claim.crashes) crashes "
                + "\(claim.batch) \(claim.video.path) \(claim.model) \(claim.modelSHA256) "
                + "\(claim.question) \(claim.expected ?? "") \(claim.customID ?? "") "
                + "\(claim.queue) until \(claim.leaseUntil.milliseconds) \(claim.dedupeKey)"
        }.joined(separator: "; ")
    }
}

extension ModelOperation.Item {
    func job(at now: Int64) -> NewJob {
        var job = NewJob.sample(video: video, question: "Question \(question)?")
        job.video.path += copy == 0 ? "" : ".copy"
        job.config.fingerprint = "f\(config)"
        job.config.modelSHA256 = "m\(config)"
        job.customID = question == 3 ? nil : "c\(question)"
        job.queue = queue == 0 ? "default" : "queue \(queue)"
        job.priority = priority
        job.runAt = delay.map { Date(milliseconds: now + $0) }
        job.held = isHeld
        job.maxAttempts = maxAttempts
        job.maxCrashes = maxCrashes
        if isBad {
            job.video.contentID = "bad:\(job.video.path):100:5"
            job.failure = .sample(.input)
        }
        return job
    }
}
