import Foundation
import Jobs
import Testing

/// A `storm-worker` process and what it has written down.
struct StormProcess: Sendable {
    let child: Child
    let name: String
    let folder: TestFolder

    /// - Parameters:
    ///   - name: of its files, one for each process ever started in the folder
    ///   - options: as `storm-worker` takes them
    init(
        _ queue: String, _ name: String, in folder: TestFolder, milliseconds: Int = 50,
        _ options: [String] = [], environment: [String: String] = [:]
    ) throws {
        self.name = name
        self.folder = folder
        child = try Child(
            builtProgram("storm-worker"),
            [
                queue, folder.file("\(name).acks"), "\(milliseconds)", "--events",
                folder.file("\(name).events"),
            ] + options,
            environment: environment, output: folder.file("\(name).out"))
    }

    struct Event: Sendable, Hashable {
        var kind: String
        var job: JobID
        var attempt: AttemptID
    }

    /// What became of jobs so far, in this order.
    var events: [Event] {
        StormProcess.lines(folder.file("\(name).events")).compactMap { words in
            guard words.count == 3, let job = JobID(words[1]), let attempt = AttemptID(words[2])
            else { return nil }
            return Event(kind: String(words[0]), job: job, attempt: attempt)
        }
    }

    /// The attempt that it has begun and that has not ended.
    var inHand: Event? {
        let events = events
        let ended = Set(events.filter { Self.ends.contains($0.kind) }.map(\.attempt))
        return events.last { $0.kind == "begun" && !ended.contains($0.attempt) }
    }

    private static let ends: Set = ["stored", "failed", "cancelled", "interrupted", "lost"]

    /// What it said.
    var output: String {
        (try? String(contentsOfFile: folder.file("\(name).out"), encoding: .utf8)) ?? ""
    }

    /// Whole lines of a file that is being written, as words.
    fileprivate static func lines(_ path: String) -> [[Substring]] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
            let end = text.lastIndex(of: "\n")
        else { return [] }
        return text[..<end].split(separator: "\n").map { $0.split(separator: " ") }
    }
}

extension TestFolder {
    /// What the queue acknowledged to all workers whose files are here.
    func acknowledged() -> [(job: JobID, attempt: AttemptID)] {
        lines(of: "acks").compactMap { words in
            guard words.count == 2, let job = JobID(words[0]), let attempt = AttemptID(words[1])
            else { return nil }
            return (job, attempt)
        }
    }

    /// Inferences by job that some worker began, or came to the end of.
    func inferences(_ kind: String = "inferred") -> [JobID: Int] {
        var counts: [JobID: Int] = [:]
        for words in lines(of: "events") where words.first.map(String.init) == kind {
            if words.count == 3, let job = JobID(words[1]) { counts[job, default: 0] += 1 }
        }
        return counts
    }

    private func lines(of suffix: String) -> [[Substring]] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.filter { $0.hasSuffix(".\(suffix)") }.sorted()
            .flatMap { StormProcess.lines(file($0)) }
    }
}

/// Several workers, each replaced by another when it is killed or ends.
actor StormCrew {
    let queue: String
    let folder: TestFolder
    let milliseconds: Int
    /// Options of the worker in each place.
    let options: [[String]]
    private(set) var workers: [StormProcess] = []
    private let name: String
    private var started = 0

    /// - Parameter name: of this crew, where a folder has several
    init(
        _ queue: String, _ folder: TestFolder, milliseconds: Int = 50, options: [[String]],
        name: String = "crew"
    ) throws {
        self.name = name
        self.queue = queue
        self.folder = folder
        self.milliseconds = milliseconds
        self.options = options
    }

    func start() throws {
        for place in options.indices { workers.append(try make(place)) }
    }

    private func make(_ place: Int) throws -> StormProcess {
        started += 1
        return try StormProcess(
            queue, "\(name)-\(place)-\(started)", in: folder, milliseconds: milliseconds,
            options[place])
    }

    @discardableResult
    func replace(_ place: Int) throws -> StormProcess {
        workers[place] = try make(place)
        return workers[place]
    }

    /// Waits until every worker has ended by itself.
    func ended(within limit: Duration = .seconds(300)) async throws -> [Child.Ending] {
        var endings: [Child.Ending] = []
        for worker in workers { endings.append(try await worker.child.ended(within: limit)) }
        return endings
    }
}
