import Jobs

/// The command that puts the failed jobs of one kind back into the queue, ready to be copied.
struct RetryCommandLine {
    var text: String
    /// What the reader should know before.
    var notes: [String] = []

    /// Longer commands name the whole class instead of jobs.
    private static let rangeLimit = 60

    init(_ group: FailureGroup, among groups: [FailureGroup], _ content: ReportContent) {
        let begin =
            "zipvl-batch " + ShellWord.option("--queue", content.queue) + " retry"
        let isWholeClass = !groups.contains {
            $0.errorClass == group.errorClass && $0.code != group.code
        }
        let isInput = group.errorClass == ErrorClass.input.rawValue
        // A file that was no video is tried again only when its job is named by its own id.
        let ranges = isInput ? group.jobs.map { "\($0.jobID)" } : Self.ranges(group.jobs)
        let isFiltered = isWholeClass && !isInput || ranges.count > Self.rangeLimit
        if isFiltered, ErrorClass(rawValue: group.errorClass) != nil {
            text = begin
            if let batch = content.batch { text += " " + ShellWord.option("--batch", batch) }
            text += " --state failed --error-class \(group.errorClass)"
            if !isWholeClass { notes.append("This tries every failure of its class again.") }
            if isInput { notes.append("Files that are no videos are left out.") }
        } else {
            text = begin + " " + ranges.joined(separator: " ")
        }
        if isInput {
            notes.append(
                "Such a job fails again as long as its file is what it was. A repaired file counts "
                    + "as another video: enqueue it anew.")
        }
    }

    /// "7", "12-40": exactly these jobs.
    private static func ranges(_ jobs: [JobRow]) -> [String] {
        var ranges: [ClosedRange<JobID>] = []
        for id in jobs.map(\.jobID).sorted() {
            if let last = ranges.last, last.upperBound + 1 == id {
                ranges[ranges.count - 1] = last.lowerBound...id
            } else {
                ranges.append(id...id)
            }
        }
        return ranges.map {
            $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
        }
    }
}
