import Foundation
import Glibc
import Jobs
import Runner

/// What a `storm-worker` was asked to do.
struct StormOptions {
    static let usage = """
        usage: storm-worker QUEUE ACKS MILLISECONDS [OPTION VALUE]...
          --events FILE       lines "KIND JOB ATTEMPT": claimed, begun, inferred, stored, lost ...
          --lease S           seconds a claim lasts (60)
          --heartbeat S       seconds between two heartbeats (0.04)
          --poll S            seconds between two looks at an empty queue (0.02)
          --group N           questions of one video claimed at once (1)
          --journal FOLDER    folder of the answers journal; "queue" is the queue's own (none)
          --min-free KIB      claims nothing while less is free where the queue is (0)
          --engine-grace S    how long a hung engine is waited for (60)
          --fence-margin S    gives a job up so long before its lease ends (lease / 4)
          --halt POLICY       as zipvl-batch work --halt
          --grace S           seconds for the job in hand after the first SIGTERM (600)
          --until EPOCH       claims nothing from this Unix time on
          --queues A,B        claims from these queues only
          --stay yes          waits for more instead of ending when nothing is left
          --host NAME         passes for a worker of another machine: liveness by lease alone
          --clock S           its clock is so many seconds ahead
          --log-limit BYTES   of write-ahead log, after which it checkpoints (SQLite's)
          --memory MIB        address space beyond what it has at its start
        """

    var queue = ""
    var acks = ""
    var duration = Duration.zero
    var events: String?
    var runner = RunnerOptions()
    var host: String?
    var clockOffset: Double = 0
    var memory: Int?
    var logLimit: Int64?

    init(_ arguments: [String]) throws {
        guard arguments.count >= 3, let milliseconds = Int64(arguments[2]) else {
            throw Self.wrong("expected QUEUE ACKS MILLISECONDS")
        }
        (queue, acks, duration) = (arguments[0], arguments[1], .milliseconds(milliseconds))
        runner.drain = true
        runner.group = 1
        runner.minFree = 0
        runner.pollInterval = .milliseconds(20)
        runner.heartbeat = .milliseconds(40)
        var rest = arguments.dropFirst(3)
        var hasMargin = false
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { throw Self.wrong("\(name) has no value") }
            try set(name, value)
            hasMargin = hasMargin || name == "--fence-margin"
        }
        // The usual margin is longer than the short leases of tests.
        if !hasMargin { runner.fenceMargin = min(runner.fenceMargin, runner.lease / 4) }
    }

    private mutating func set(_ name: String, _ value: String) throws {
        func number() throws -> Double {
            guard let number = Double(value) else { throw Self.wrong("\(name) \(value)") }
            return number
        }
        switch name {
        case "--events": events = value
        case "--lease": runner.lease = .seconds(try number())
        case "--heartbeat": runner.heartbeat = .seconds(try number())
        case "--poll": runner.pollInterval = .seconds(try number())
        case "--group": runner.group = Int(try number())
        case "--queues": runner.filter.queues = value.split(separator: ",").map { String($0) }
        case "--journal":
            runner.journalFolder =
                try value == "queue" ? QueueLocation(queue).answersFolder : value
        case "--min-free":
            runner.minFree = Int64(try number()) << 10
            runner.queueFolder = URL(fileURLWithPath: queue).deletingLastPathComponent().path
        case "--engine-grace": runner.engineGrace = .seconds(try number())
        case "--fence-margin": runner.fenceMargin = .seconds(try number())
        case "--halt": runner.halt = try HaltPolicy(value)
        case "--grace": runner.grace = .seconds(try number())
        case "--until": runner.until = Date(timeIntervalSince1970: try number())
        case "--stay": runner.drain = value != "yes"
        case "--host": host = value
        case "--clock": clockOffset = try number()
        case "--log-limit": logLimit = Int64(try number())
        case "--memory": memory = Int(try number())
        default: throw Self.wrong("\(name) is not known")
        }
    }

    private static func wrong(_ what: String) -> QueueError {
        QueueError(.invalid, "\(what)\n\(usage)")
    }

    // MARK: What follows from it

    var identity: HostIdentity {
        host.map { HostIdentity(host: $0, bootID: "boot of \($0)") } ?? .current
    }

    var worker: WorkerInfo {
        WorkerInfo(
            host: identity.host, bootID: identity.bootID, pid: getpid(), device: "cpu",
            version: "storm")
    }

    var clock: RunnerClock {
        RunnerClock(
            now: { [clockOffset] in Date().addingTimeInterval(clockOffset) },
            uptime: RunnerClock.system.uptime, sleep: RunnerClock.system.sleep)
    }

    func open() throws -> any QueueStore {
        switch try QueueLocation(queue) {
        case .sqlite(let path):
            var environment = QueueEnvironment()
            environment.host = identity
            if let logLimit { environment.logLimit = logLimit }
            let milliseconds = Int64(clockOffset * 1000)
            environment.now = { Int64(Date().timeIntervalSince1970 * 1000) + milliseconds }
            return try SQLiteQueue(path: path, environment: environment)
        case .postgres(let url):
            var environment = PostgresEnvironment()
            environment.host = identity
            return try PostgresQueue(url: url, environment: environment)
        }
    }

    /// An address space that ends soon, so that a job which takes all memory takes this process's.
    func limitMemory() throws {
        guard let memory else { return }
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let size =
            status.split(separator: "\n").first { $0.hasPrefix("VmSize:") }?
            .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.first ?? 0
        let bytes = rlim_t((size << 10) + (memory << 20))
        var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
        setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    }
}
