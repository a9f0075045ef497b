import ArgumentParser
import Jobs

/// Job ids and ranges of them: `7`, `12-40`.
struct IDRange: ExpressibleByArgument {
    let range: ClosedRange<JobID>

    init?(argument: String) {
        let parts = argument.split(separator: "-", omittingEmptySubsequences: false)
        guard let first = parts.first.flatMap({ JobID($0) }), parts.count <= 2, first >= 0 else {
            return nil
        }
        guard let last = parts.count == 2 ? JobID(parts[1]) : first, last >= first else {
            return nil
        }
        range = first...last
    }
}

/// Filters; the parts are joined by "and".
struct FilterOptions: ParsableArguments {
    @Option(help: "Only jobs of this batch.")
    var batch: String?

    @Option(help: "Only jobs in this state (repeatable).")
    var state: [JobState] = []

    @Option(help: "Only jobs that failed with this class.")
    var errorClass: ErrorClass?

    @Option(help: ArgumentHelp("Only jobs with this id of yours.", valueName: "id"))
    var customID: String?

    var isEmpty: Bool {
        batch == nil && state.isEmpty && errorClass == nil && customID == nil
    }

    func selection(_ ids: [IDRange] = []) -> JobSelection {
        var selection = JobSelection()
        selection.ids = ids.map(\.range)
        selection.batch = batch
        selection.states = state
        selection.errorClass = errorClass
        selection.customID = customID
        return selection
    }
}

/// The jobs that a verb changes: named or filtered, never all of them by omission.
struct ChangedJobs: ParsableArguments {
    @OptionGroup var filter: FilterOptions

    @Argument(help: "Job ids and ranges, such as 7 or 12-40.")
    var ids: [IDRange] = []

    func validate() throws {
        if ids.isEmpty && filter.isEmpty {
            throw ValidationError("which jobs? Name ids, or filter with --batch, --state …")
        }
    }

    var selection: JobSelection { filter.selection(ids) }

    private struct Line: Encodable { var changed: Int }

    /// Prints how many jobs were changed, and into what.
    static func report(_ count: Int, _ what: String, _ global: GlobalOptions) throws {
        if global.json { return try JSONLine.print(Line(changed: count)) }
        global.say("\(count) \(count == 1 ? "job" : "jobs") \(what)")
    }
}

extension JobState: ExpressibleByArgument {}
extension ErrorClass: ExpressibleByArgument {}
