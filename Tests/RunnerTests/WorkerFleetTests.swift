import Foundation
import Glibc
import Synchronization
import Testing

@testable import Runner

/// Worker processes under supervision; the workers are shell scripts.
@Suite struct WorkerFleetTests {
    private final class Log: Sendable {
        private let lines = Mutex<[WorkerFleet.Line]>([])
        func add(_ line: WorkerFleet.Line) { lines.withLock { $0.append(line) } }
        var all: [WorkerFleet.Line] { lines.withLock { $0 } }
        var notes: [String] {
            all.compactMap { if case .note(_, let text) = $0 { text } else { nil } }
        }
        func contains(_ text: String) -> Bool { all.contains(.output(worker: "cuda:0", text)) }
    }

    private static var quick: FleetPolicy {
        var policy = FleetPolicy()
        policy.firstDelay = .milliseconds(10)
        policy.longestDelay = .milliseconds(20)
        return policy
    }

    /// A script for each worker, in a folder that they share.
    private static func run(
        _ scripts: [String], _ policy: FleetPolicy = quick, stop: StopSignal = StopSignal(),
        relay: SignalRelay = SignalRelay(), log: Log = Log(), folder: String = "/"
    ) async -> [Int32] {
        await WorkerFleet.run(
            executable: "/bin/sh",
            workers: scripts.enumerated().map {
                .init(name: "cuda:\($0)", arguments: ["-c", $1])
            },
            environment: ["FOLDER": folder], policy: policy, stop: stop, relay: relay,
            tell: log.add)
    }

    private static func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appending(path: "fleet-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Counts its starts in a file.
    private static let counts = "echo x >> $FOLDER/starts; n=$(wc -l < $FOLDER/starts); "

    private static func starts(_ folder: URL) throws -> Int {
        try String(contentsOf: folder.appending(path: "starts"), encoding: .utf8).count / 2
    }

    private static func until(_ isSo: () throws -> Bool) async throws {
        for _ in 0..<6000 {
            if try isSo() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it never came to that")
    }

    @Test func `each worker says its lines, whole, and the codes come in order`() async {
        let log = Log()
        let codes = await Self.run(
            ["printf 'a\\nb'; echo oops >&2; exit 3", "echo c; exit 5"], log: log)
        #expect(codes == [3, 5])
        #expect(log.contains("a") && log.contains("b"))
        #expect(log.all.contains(.errors(worker: "cuda:0", "oops")))
        #expect(log.all.contains(.output(worker: "cuda:1", "c")))
        #expect(log.all.count == 4)
    }

    @Test(arguments: ["kill -9 $$", "exit 1", "exit 69"])
    func `one that dies is started again until it does not`(_ death: String) async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = Log()
        let codes = await Self.run(
            [Self.counts + "[ $n -ge 3 ] && exit 0; " + death], log: log, folder: folder.path)
        #expect(codes == [0])
        #expect(try Self.starts(folder) == 3)
        #expect(log.notes.filter { $0.hasPrefix("started again in") }.count == 2)
    }

    @Test(arguments: [("exit 69", 69), ("kill -11 $$", 1)] as [(String, Int32)])
    func `one that dies for ever is given up after five new starts, and the others go on`(
        _ death: String, _ code: Int32
    ) async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = Log()
        let codes = await Self.run(
            [Self.counts + death, "sleep 1; exit 0"], log: log, folder: folder.path)
        #expect(codes == [code, 0])
        #expect(FleetExit.joined(codes) == code)
        #expect(try Self.starts(folder) == 6)
        #expect(log.notes.last == "given up: it ended this way 6 times within 600 s")
    }

    @Test(arguments: [0, 2, 3, 4, 5, 6, 74, 75, 76, 78] as [Int32])
    func `other exit codes are final`(_ code: Int32) async throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let codes = await Self.run([Self.counts + "exit \(code)"], folder: folder.path)
        #expect(codes == [code])
        #expect(try Self.starts(folder) == 1)
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `the first signal is passed on once, and the worker ends when it is done`(
        _ signal: Int32
    ) async throws {
        let name = signal == SIGTERM ? "TERM" : "INT"
        let log = Log()
        let stop = StopSignal()
        let script = """
            n=0; trap 'n=$((n+1))' \(name); echo ready
            i=0; while [ $n -eq 0 ] && [ $i -lt 3000 ]; do sleep 0.1; i=$((i+1)); done
            for i in 1 2 3 4 5; do sleep 0.1; done
            echo "signals $n"; exit 5
            """
        async let codes = Self.run([script], stop: stop, log: log)
        try await Self.until { log.contains("ready") }
        stop.request(signal: signal)
        #expect(await codes == [5])
        #expect(log.contains("signals 1"))
    }

    /// Says what it hears, and ends.
    private static func listener(_ name: String) -> String {
        """
        n=0; trap 'n=$((n+1))' \(name); trap 'echo stopped; exit 5' TERM; echo ready
        i=0; while [ $n -lt 1 ] && [ $i -lt 3000 ]; do sleep 0.1; i=$((i+1)); done
        echo "heard \(name)"
        """
    }

    @Test(arguments: ["HUP": SIGHUP, "USR1": SIGUSR1, "USR2": SIGUSR2])
    func `other signals reach every worker that runs`(_ name: String, _ signal: Int32) async throws
    {
        let log = Log()
        let relay = SignalRelay()
        async let codes = Self.run(
            [Self.listener(name), Self.listener(name)], relay: relay, log: log)
        try await Self.until { log.all.count { $0.isOutput("ready") } == 2 }
        relay.send(signal)
        #expect(await codes == [0, 0])
        #expect(log.all.count { $0.isOutput("heard \(name)") } == 2)
    }

    @Test(arguments: [false, true])
    func `one that reaches its limit ends the others, too`(isNow: Bool) async throws {
        let log = Log()
        var policy = Self.quick
        policy.haltsNow = isNow
        let other = """
            n=0; trap 'n=$((n+1))' TERM; echo ready
            i=0; while [ $n -lt \(isNow ? 2 : 1) ] && [ $i -lt 3000 ]; do sleep 0.1; i=$((i+1)); done
            for i in 1 2 3 4 5; do sleep 0.1; done
            echo "signals $n"; exit 5
            """
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let halting = "while ! [ -e $FOLDER/go ]; do sleep 0.1; done; exit 6"
        async let codes = Self.run([other, halting], policy, log: log, folder: folder.path)
        try await Self.until { log.contains("ready") }
        try Data().write(to: folder.appending(path: "go"))
        #expect(await codes == [5, 6])
        #expect(log.contains("signals \(isNow ? 2 : 1)"))
        #expect(log.notes == ["reached its limit (--halt): the other workers end, too"])
    }

    @Test func `the second signal is passed on, and what ignores both is killed`() async throws {
        let log = Log()
        let stop = StopSignal()
        var policy = Self.quick
        // Longer than a busy machine takes to hand on a signal.
        policy.hardLimit = .seconds(5)
        let counting = """
            n=0; trap 'n=$((n+1)); echo "signal $n"; [ $n -ge 2 ] && exit 143' TERM; echo ready
            while true; do sleep 0.05; done
            """
        let deaf = "trap '' TERM INT; echo ready; while true; do sleep 0.05; done"
        async let codes = Self.run([counting, deaf], policy, stop: stop, log: log)
        try await Self.until { log.all.count == 2 }
        stop.request(signal: SIGTERM)
        try await Self.until { log.contains("signal 1") }
        stop.request(signal: SIGTERM)
        // The deaf one has no code of its own, and is not started again.
        #expect(await codes == [143])
    }

    @Test func `one that hangs after the first signal is asked again when the grace is over`()
        async throws
    {
        let log = Log()
        let stop = StopSignal()
        var policy = Self.quick
        policy.grace = .milliseconds(200)
        policy.hardLimit = .milliseconds(200)
        async let codes = Self.run(
            ["trap '' TERM; echo ready; while true; do sleep 0.05; done"], policy, stop: stop,
            log: log)
        try await Self.until { log.contains("ready") }
        stop.request(signal: SIGTERM)
        #expect(await codes == [])
    }

    @Test func `nothing is started again after a request to stop or after the end of the night`()
        async throws
    {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        var policy = Self.quick
        policy.firstDelay = .seconds(30)
        policy.longestDelay = .seconds(30)
        let stop = StopSignal()
        let log = Log()
        async let codes = Self.run(
            [Self.counts + "exit 1"], policy, stop: stop, log: log, folder: folder.path)
        try await Self.until { !log.notes.isEmpty }
        stop.request(signal: SIGTERM)
        #expect(await codes == [])
        policy.until = Date()
        #expect(
            await Self.run([Self.counts + "exit 1"], policy, folder: folder.path) == [])
        #expect(try Self.starts(folder) == 2)
    }

    @Test func `a program that is not there is given up as well`() async {
        let log = Log()
        let codes = await WorkerFleet.run(
            executable: "/no/such/program", workers: [.init(name: "cuda:0", arguments: [])],
            policy: Self.quick, stop: StopSignal(), tell: log.add)
        #expect(codes == [1])
        #expect(log.notes.first?.contains("/no/such/program cannot be started") == true)
    }

    @Test func `waits double up to the longest`() {
        let policy = FleetPolicy()
        #expect(
            (0...5).map { policy.delay(recent: $0) } == [
                .seconds(1), .seconds(2), .seconds(4), .seconds(8), .seconds(16), nil,
            ])
        var patient = policy
        patient.restarts = 100
        #expect(patient.delay(recent: 50) == .seconds(60))
    }

    @Test(
        arguments: [
            ([0, 0], 0), ([0, 3], 3), ([3, 5], 5), ([5, 6, 0], 6), ([6, 69], 69), ([69, 1, 3], 1),
            ([76, 143], 143), ([4, 4], 4), ([4, 0], 0), ([4, 3], 3), ([78, 74], 74), ([], 0),
            ([99, 5], 99),
        ] as [([Int32], Int32)])
    func `the worst exit code is that of all`(_ codes: [Int32], _ joined: Int32) {
        #expect(FleetExit.joined(codes) == joined)
        #expect(FleetExit.joined(codes.reversed()) == joined)
    }
}

extension WorkerFleet.Line {
    fileprivate func isOutput(_ text: String) -> Bool {
        if case .output(_, text) = self { true } else { false }
    }
}
