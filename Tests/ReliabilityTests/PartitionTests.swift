import Foundation
import Glibc
import Jobs
import QueueTestSupport
import Testing

extension Reliability {
    /// The network between workers and their server is cut: two network namespaces, the server in one,
    /// the workers in the other.
    @Suite(
        .serialized, .enabled(if: PostgresServer.isAvailable, "\(PostgresServer.reason)"))
    struct PartitionTests {
        /// One cut meets five workers, each at another place.
        @Test(.timeLimit(.minutes(60)))
        func `a cut link loses no answer, doubles none, and repeats no work whose reply was lost`()
            async throws
        {
            guard let network = try NetworkNamespaces() else {
                return Reliability.skip("partition", "network namespaces need root and iproute2")
            }
            let partition = try await Partition(network)
            for round in 0..<Reliability.bound(1, full: 50) { try await partition.run(round) }
            try await partition.expectWhole()
        }
    }
}

/// A server, five workers on the far side of a link, and one on the near side.
final class Partition {
    /// Queues by the place where a cut meets their worker.
    enum Place: String, CaseIterable {
        /// The server has committed a claim, and the reply does not come.
        case claim
        /// While it computes; the answer is sent into the void.
        case send
        /// The server has stored the answer, and the reply does not come.
        case reply
        /// While it computes for long, with heartbeats.
        case heartbeat
        /// As `heartbeat`, for longer than its lease, so that the job is another's after that.
        case fence

        var milliseconds: Int {
            switch self {
            case .claim, .reply: 100
            case .send: 5000
            case .heartbeat: 30_000
            case .fence: 60_000
            }
        }

        var lease: Double { self == .fence ? 12 : 60 }
    }

    private let network: NetworkNamespaces
    private let server: PostgresServer
    private let folder: TestFolder
    private let queue: any QueueStore
    private let crew: [Place: StormWorker]
    private let near: StormWorker
    private var jobs = 0
    private static let fenceMargin = 4.0

    init(_ network: NetworkNamespaces) async throws {
        self.network = network
        // Statements are told from each other by their whole text.
        server = try await network.server("track_activity_query_size = 16384")
        folder = try TestFolder()
        // The test itself comes by the socket, which no link is in the way of.
        queue = try QueueLocation(server.url(database: "postgres")).open()
        let url = "postgresql://postgres@\(network.address)/postgres"
        for place in Place.allCases {
            try await queue.make(place.rawValue)
        }
        var crew: [Place: StormWorker] = [:]
        for place in Place.allCases {
            crew[place] = try StormWorker(
                url, place.rawValue, in: folder, milliseconds: place.milliseconds,
                [
                    "--queues", place.rawValue, "--lease", "\(place.lease)", "--heartbeat", "1",
                    "--fence-margin", "\(place == .fence ? Self.fenceMargin : 15)", "--poll",
                    "0.2", "--stay", "yes", "--host", "far",
                ], prefix: NetworkNamespaces.prefix(network.far))
        }
        self.crew = crew
        near = try StormWorker(
            server.url(database: "postgres"), "near", in: folder, milliseconds: 50,
            ["--queues", "fence", "--poll", "0.2", "--stay", "yes", "--host", "near"])
        // Until it is wanted.
        near.child.signal(SIGSTOP)
        try makeSlow()
    }

    deinit {
        try? server.stop("immediate")
    }

    /// In the queues `claim` and `reply` a claim or an answer is committed only while a gate is open, so
    /// that the link can be cut when the server has it.
    private func makeSlow() throws {
        try sql(
            """
            CREATE TABLE zipvl.gate (is_closed boolean);
            INSERT INTO zipvl.gate VALUES (false);
            CREATE FUNCTION zipvl.be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT queue FROM zipvl.jobs WHERE job_id = NEW.job_id) = TG_ARGV[0] THEN
                    WHILE (SELECT is_closed FROM zipvl.gate) LOOP PERFORM pg_sleep(0.05); END LOOP;
                END IF;
                RETURN NULL; END $$;
            CREATE TRIGGER slow_claim AFTER INSERT ON zipvl.attempts
                FOR EACH ROW EXECUTE FUNCTION zipvl.be_slow('claim');
            CREATE TRIGGER slow_reply AFTER INSERT ON zipvl.answers
                FOR EACH ROW EXECUTE FUNCTION zipvl.be_slow('reply');
            """)
    }

    @discardableResult
    private func sql(_ text: String) throws -> String {
        try psql(server.url(database: "postgres"), text)
    }

    private func number(_ text: String) throws -> Int { Int(try sql(text)) ?? -1 }

    private func endOfLease(_ job: JobID?) throws -> Int {
        try number("SELECT lease_expires_at_ms FROM zipvl.jobs WHERE job_id = \(job ?? 0)")
    }

    /// As long as the link is there, a lease does not end.
    private func expectProlonged(_ job: JobID?) async throws {
        let first = try endOfLease(job)
        try await eventually("the lease of job \(job ?? 0) is prolonged") {
            try endOfLease(job) > first
        }
        #expect(folder.inferences("begun")[job ?? 0] == 1, "its lease ended: begun again")
    }

    private func waitingAtGate() throws -> Int {
        try number(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND state = 'active'
                AND (query LIKE '%INSERT INTO attempts%' OR query LIKE '%INSERT INTO answers%')
                AND query_start < clock_timestamp() - interval '0.3 s'
            """)
    }

    private func enqueue(_ place: Place, _ round: Int) async throws -> JobID {
        jobs += 1
        return try #require(
            try await queue.enqueue(
                BatchSpec(name: "partition", source: "-", specJSON: "{}"),
                [.storm("\(place)-\(round)", queue: place.rawValue)]
            ).inserted.first)
    }

    func run(_ round: Int) async throws {
        var ids: [Place: JobID] = [:]
        func begin(_ place: Place) async throws {
            ids[place] = try await enqueue(place, round)
            try await eventually("the worker of \(place) is at work") {
                folder.inferences("begun")[ids[place] ?? 0] == 1
            }
        }
        try await begin(.fence)
        try await expectProlonged(ids[.fence])
        try await begin(.heartbeat)
        try sql("UPDATE zipvl.gate SET is_closed = true")
        ids[.claim] = try await enqueue(.claim, round)
        ids[.reply] = try await enqueue(.reply, round)
        try await eventually("the server is about to commit a claim and an answer") {
            try waitingAtGate() == 2
        }
        // Last, as it computes for a few seconds only.
        try await begin(.send)
        #expect(folder.inferences()[ids[.send] ?? 0] == nil, "the answer was too early")
        network.cut()
        let cut = ContinuousClock.now
        let notices = crew.mapValues(\.notices)

        // The server goes on without the workers.
        try sql("UPDATE zipvl.gate SET is_closed = false")
        try await eventually("the server has committed both") { try waitingAtGate() == 0 }
        #expect(
            try number("SELECT count(*) FROM zipvl.answers WHERE job_id = \(ids[.reply] ?? 0)")
                == 1)
        #expect(
            try await queue.show(ids[.claim] ?? 0)?.job.state == .running,
            "the claim went through")
        let leaseEnd = try endOfLease(ids[.fence])

        // Every worker hears of it in time, and the one whose lease ends gives up before that.
        var heard: [Place: Duration] = [:]
        var fenced: Double?
        try await eventually("the workers of round \(round) notice", within: .seconds(40)) {
            for place in Place.allCases where heard[place] == nil {
                if crew[place]?.notices != notices[place] { heard[place] = .now - cut }
            }
            if fenced == nil,
                crew[.fence]?.hasStopped(ids[.fence] ?? 0) == true
            {
                fenced = Date().timeIntervalSince1970
            }
            return heard.count == Place.allCases.count && fenced != nil
        }
        print("partition, round \(round): noticed after \(heard)")
        for (place, time) in heard { #expect(time <= .seconds(20), "\(place)") }
        if let fenced {
            print("partition, round \(round): gave up \(Double(leaseEnd) / 1000 - fenced) s before")
            #expect(fenced < Double(leaseEnd) / 1000)
        }
        near.child.signal(SIGCONT)
        // Until it has been told so, too: stopped before, it could not say it.
        try await eventually("the job of the ended lease is another's", within: .seconds(60)) {
            folder.acknowledged().contains { $0.job == ids[.fence] }
        }
        #expect(try await queue.show(ids[.fence] ?? 0)?.job.state == .succeeded)
        near.child.signal(SIGSTOP)
        network.mend()

        try await eventually("all jobs of round \(round) are answered", within: .seconds(120)) {
            try await queue.remaining(JobSelection()) == 0
        }
        try await eventually("round \(round): \(unacknowledged(ids)) hears of its answer") {
            unacknowledged(ids).isEmpty
        }
        let inferences = folder.inferences()
        for place in [Place.claim, .send, .reply, .heartbeat] {
            #expect(inferences[ids[place] ?? 0] == 1, "\(place): work was repeated")
            let attempts = try await queue.show(ids[place] ?? 0)?.attempts ?? []
            #expect(attempts.map(\.outcome) == ["succeeded"], "\(place)")
        }
        #expect(inferences[ids[.fence] ?? 0] == 1, "the worker that was cut off stopped at it")
    }

    /// Places whose worker was not told that its answer is stored, with what it said last.
    private func unacknowledged(_ ids: [Place: JobID]) -> [String] {
        let told = Set(folder.acknowledged().map(\.job))
        return ids.filter { !told.contains($0.value) }.keys.map { place in
            "\(place) (\(crew[place]?.output.suffix(2000) ?? ""))"
        }
    }

    func expectWhole() async throws {
        let audit = try await Audit(queue)
        audit.expectAllAnswered(jobs)
        audit.expectStored(folder.acknowledged())
        for worker in crew.values {
            #expect(worker.child.isRunning, "\(worker.name): \(worker.output)")
        }
    }
}

/// A worker that is started by other words, such as in a network namespace.
struct StormWorker {
    let child: Child
    let name: String
    let folder: TestFolder

    init(
        _ queue: String, _ name: String, in folder: TestFolder, milliseconds: Int,
        _ options: [String], prefix: [String] = []
    ) throws {
        self.name = name
        self.folder = folder
        let words =
            try prefix + [
                builtProgram("storm-worker"), queue, folder.file("\(name).acks"),
                "\(milliseconds)", "--events", folder.file("\(name).events"),
            ] + options
        child = try Child(
            words[0], Array(words.dropFirst()), output: folder.file("\(name).out"))
    }

    var output: String {
        (try? String(contentsOfFile: folder.file("\(name).out"), encoding: .utf8)) ?? ""
    }

    /// Lines that it said.
    var notices: Int { output.split(separator: "\n").count }

    /// Whether it has stopped computing a job.
    func hasStopped(_ job: JobID) -> Bool {
        let events = try? String(contentsOfFile: folder.file("\(name).events"), encoding: .utf8)
        return (events ?? "").split(separator: "\n").contains { line in
            let words = line.split(separator: " ")
            return words.count == 3 && words[1] == "\(job)"
                && words[0] == "stopped"
        }
    }
}

extension QueueBackend {
    /// Makes a queue that does not exist.
    fileprivate func make(_ name: String) async throws {
        try await pause(queue: name)
        try await resume(queue: name)
    }
}
