import ArgumentParser
import Jobs

/// Jobs by their ids, ranges of them, or an id of the user's own: `7`, `12-40`, `custom_id=a1`.
struct IDRange: ExpressibleByArgument {
    enum Pick: Equatable {
        case range(ClosedRange<JobID>)
        case customID(String)
    }
    let pick: Pick

    static let help = ArgumentHelp(
        "Job ids, ranges and your own ids, such as 7, 12-40 or custom_id=a1.")

    init?(argument: String) {
        if argument.hasPrefix("custom_id="), argument != "custom_id=" {
            pick = .customID(String(argument.dropFirst("custom_id=".count)))
            return
        }
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
        guard let first = parts.first.flatMap({ JobID($0) }), parts.count <= 2, first >= 0 else {
            return nil
        }
        guard let last = parts.count == 2 ? JobID(parts[1]) : first, last >= first else {
            return nil
        }
        pick = .range(first...last)
    }
}

/// Filters; the parts are joined by "and".
struct FilterOptions: ParsableArguments {
    @Option(help: "Only jobs of this batch.")
    var batch: String?

    @Option(help: "Only jobs in these states, separated by commas (repeatable).")
    var state: [CommaList<JobState>] = []

    @Option(help: "Only jobs that failed with these classes, separated by commas (repeatable).")
    var errorClass: [CommaList<ErrorClass>] = []

    @Option(help: ArgumentHelp("Only jobs with this id of yours.", valueName: "id"))
    var customID: String?

    @Option(
        help: ArgumentHelp(
            "Only jobs that ended since then: 12h ago, HH:MM or ISO 8601.", valueName: "time"))
    var since: PastTimeArgument?

    var isEmpty: Bool {
        batch == nil && state.isEmpty && errorClass.isEmpty && customID == nil && since == nil
    }

    func selection(
        _ ids: [IDRange] = [], in queue: any QueueBackend
    ) async throws -> JobSelection {
        var selection = try await Self.selection(of: ids, in: queue)
        selection.batch = batch
        selection.states = state.flatMap(\.values)
        selection.errorClasses = errorClass.flatMap(\.values)
        selection.customID = customID
        selection.endedSince = since?.date
        return selection
    }

    /// The jobs that are named; all of them where none is.
    static func selection(
        of picks: [IDRange], in queue: any QueueBackend
    ) async throws -> JobSelection {
        var selection = JobSelection()
        for case .range(let range) in picks.map(\.pick) { selection.ids.append(range) }
        for case .customID(let id) in picks.map(\.pick) {
            var named = JobSelection()
            named.customID = id
            selection.ids += try await queue.list(named, limit: 100_000).map { $0.jobID...$0.jobID }
        }
        // Nobody has this id: nothing is meant then, not everything.
        if selection.ids.isEmpty, !picks.isEmpty { selection.ids = [-1 ... -1] }
        return selection
    }
}

/// The jobs that a verb changes: named or filtered, never all of them by omission.
struct ChangedJobs: ParsableArguments {
    @OptionGroup var filter: FilterOptions

    @Argument(help: IDRange.help)
    var ids: [IDRange] = []

    func validate() throws {
        if ids.isEmpty && filter.isEmpty {
            throw ValidationError("which jobs? Name ids, or filter with --batch, --state …")
        }
    }

    func selection(in queue: any QueueBackend) async throws -> JobSelection {
        try await filter.selection(ids, in: queue)
    }

    private struct Line: Encodable { var changed: Int }

    /// Prints how many jobs were changed, and into what.
    static func report(_ count: Int, _ what: String, _ global: GlobalOptions) throws {
        if global.json { return try JSONLine.print(Line(changed: count)) }
        global.say("\(count) \(count == 1 ? "job" : "jobs") \(what)")
    }
}

extension JobState: ExpressibleByArgument {}
extension ErrorClass: ExpressibleByArgument {}
