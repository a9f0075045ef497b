package import Jobs

/// One `enqueue` call: entries to jobs, in transactions of a bounded number of jobs, so that memory
/// does not grow with the input and one wrong line keeps nothing else out. The same call again goes on
/// where one was cut short, because what is there already is reused.
package struct EnqueueRun {
    /// Jobs of one transaction.
    package static let chunk = 5000

    package enum Event: Sendable {
        case badLine(JobFileError)
        case note(String)
        /// Files looked at so far.
        case looked(Int)
        /// One transaction is on the disk.
        case stored(EnqueueReport, [NewJob])
        /// What a dry run would store.
        case planned([NewJob])
    }

    package struct Totals: Sendable, Equatable {
        package var inserted = 0
        package var reused = 0
        package var rejected = 0
        package var badLines = 0
        /// Questions about videos of other shards.
        package var elsewhere = 0

        package init() {}
    }

    private let queue: any QueueBackend
    private var enqueuer: Enqueuer
    private let template: Enqueuer.Template
    private let batch: BatchSpec
    private let isDry: Bool
    private var totals = Totals()

    package init(
        queue: any QueueBackend, enqueuer: Enqueuer, template: Enqueuer.Template,
        batch: BatchSpec, isDry: Bool = false
    ) {
        self.queue = queue
        self.enqueuer = enqueuer
        self.template = template
        self.batch = batch
        self.isDry = isDry
    }

    /// - Throws: `QueueError`, `EnqueueError`, `JobFileError`, `CancellationError`, and what `report`
    ///   throws; what was stored before stays
    package mutating func run(
        _ entries: EnqueueEntries, report: (Event) throws -> Void
    ) async throws -> Totals {
        var entries = entries
        let count = max(1, Self.chunk / max(1, template.configs.count))
        var items: [EnqueueItem] = []
        while let entry = try entries.next() {
            switch entry {
            case .item(let item):
                items.append(item)
                guard items.count >= count else { continue }
                try await store(items, report)
                items.removeAll(keepingCapacity: true)
            case .badLine(let error):
                totals.badLines += 1
                try report(.badLine(error))
            case .note(let text): try report(.note(text))
            }
        }
        if !items.isEmpty { try await store(items, report) }
        return totals
    }

    private mutating func store(
        _ items: [EnqueueItem], _ report: (Event) throws -> Void
    ) async throws {
        let jobs = try await enqueuer.jobs(items, template) { try? report(.looked($0)) }
        totals.elsewhere += items.count - jobs.count / max(1, template.configs.count)
        if isDry {
            let bad = jobs.reduce(0) { $0 + ($1.failure == nil ? 0 : 1) }
            totals.rejected += bad
            totals.inserted += jobs.count - bad
            return try report(.planned(jobs))
        }
        guard !jobs.isEmpty else { return }
        let stored = try await queue.enqueue(batch, jobs)
        totals.inserted += stored.inserted.count
        totals.reused += stored.reused.count
        totals.rejected += stored.rejected.count
        try report(.stored(stored, jobs))
    }
}
