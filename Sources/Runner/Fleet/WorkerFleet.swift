import Foundation
import Glibc

/// One worker process for each device: starts them, passes on requests to stop, starts those again that
/// died, and joins what they say.
package final class WorkerFleet {
    package struct Worker: Sendable {
        /// `cuda:N`
        package var name: String
        package var arguments: [String]

        package init(name: String, arguments: [String]) {
            self.name = name
            self.arguments = arguments
        }
    }

    /// What the fleet and its workers say, line by line.
    package enum Line: Sendable, Equatable {
        case output(worker: String, String)
        case errors(worker: String, String)
        /// About a worker, by the fleet itself.
        case note(worker: String, String)
    }

    private enum State {
        case running(WorkerProcess)
        case waiting(until: ContinuousClock.Instant)
        /// `nil`: stopped before it came to anything.
        case ended(Int32?)
    }

    private struct Member {
        var worker: Worker
        var state = State.waiting(until: .now)
        var restarts: [ContinuousClock.Instant] = []
        /// Requests to stop that were passed on, and when the last was.
        var requests = 0
        var requestedAt = ContinuousClock.now
    }

    /// Names this process for its workers, which end their work when it is gone.
    package static let variable = "ZIPVL_SUPERVISOR"

    private let executable: String
    private let environment: [String: String]
    private let policy: FleetPolicy
    private let relay: SignalRelay
    private let tell: @Sendable (Line) -> Void
    private var members: [Member]

    /// - Parameters:
    ///   - executable: path of the program that every worker runs
    ///   - environment: changes of this process's own
    ///   - relay: signals for the workers that run, other than requests to stop
    package init(
        executable: String, workers: [Worker], environment: [String: String] = [:],
        policy: FleetPolicy = FleetPolicy(), relay: SignalRelay = SignalRelay(),
        tell: @escaping @Sendable (Line) -> Void
    ) {
        self.executable = executable
        self.relay = relay
        self.policy = policy
        self.tell = tell
        members = workers.map { Member(worker: $0) }
        self.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            .merging([Self.variable: "\(getpid())"]) { $1 }
    }

    /// Runs a fleet on a thread of its own, to the end of the last worker.
    ///
    /// - Returns: as `run(stop:)`
    package static func run(
        executable: String, workers: [Worker], environment: [String: String] = [:],
        policy: FleetPolicy = FleetPolicy(), stop: StopSignal,
        relay: SignalRelay = SignalRelay(), tell: @escaping @Sendable (Line) -> Void
    ) async -> [Int32] {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                let fleet = WorkerFleet(
                    executable: executable, workers: workers, environment: environment,
                    policy: policy, relay: relay, tell: tell)
                continuation.resume(returning: fleet.run(stop: stop))
            }
            thread.name = "fleet"
            thread.start()
        }
    }

    /// Runs until every worker has ended for good. Blocks its thread.
    ///
    /// - Parameter stop: asked once, the workers finish their jobs; asked twice, they give them up.
    /// - Returns: the exit codes of the workers that came to one: those that are given up have that of
    ///   their last death, 1 for a signal.
    package func run(stop: StopSignal) -> [Int32] {
        while true {
            for signal in relay.taken() { pass(signal) }
            for index in members.indices {
                step(&members[index], stop)
                if case .ended(policy.haltCode) = members[index].state {
                    halt(stop, members[index].worker.name)
                }
            }
            let codes = members.compactMap { member in
                if case .ended(let code) = member.state {
                    return code as Int32??
                } else {
                    return nil
                }
            }
            if codes.count == members.count { return codes.compactMap(\.self) }
            wait()
        }
    }

    private func step(_ member: inout Member, _ stop: StopSignal) {
        switch member.state {
        case .ended: return
        case .waiting(let time):
            let isOver = stop.isRequested || policy.until.map { $0 <= Date() } == true
            if isOver, !member.restarts.isEmpty || stop.isRequested {
                member.state = .ended(nil)
            } else if time <= .now {
                start(&member)
            }
        case .running(var process):
            request(&member, process.pid, stop)
            for line in process.output.lines() { say(.output(worker: member.worker.name, line)) }
            for line in process.errors.lines() { say(.errors(worker: member.worker.name, line)) }
            let status = process.reapIfEnded()
            member.state = .running(process)
            guard let status else { return }
            for line in process.output.rest() { say(.output(worker: member.worker.name, line)) }
            for line in process.errors.rest() { say(.errors(worker: member.worker.name, line)) }
            process.closeStreams()
            ended(&member, WorkerEnd(status: status))
        }
    }

    private func pass(_ signal: Int32) {
        for case .running(let process) in members.map(\.state) { kill(process.pid, signal) }
    }

    /// What one worker found reason to end for is none to go on for the others.
    private func halt(_ stop: StopSignal, _ worker: String) {
        guard !stop.isRequested, members.count > 1 else { return }
        say(.note(worker: worker, "reached its limit (--halt): the other workers end, too"))
        stop.request()
        if policy.haltsNow { stop.request() }
    }

    private func start(_ member: inout Member) {
        do {
            let process = try WorkerProcess(
                executable: executable, arguments: member.worker.arguments,
                environment: environment)
            member.state = .running(process)
        } catch {
            say(.note(worker: member.worker.name, "\(executable) cannot be started: \(error)"))
            again(&member, code: 1)
        }
    }

    /// Passes on what was asked of the fleet, and asks for more where nothing follows.
    private func request(_ member: inout Member, _ pid: pid_t, _ stop: StopSignal) {
        guard let first = stop.first.value else { return }
        // Where nobody signalled, nobody expects another signal's number.
        let signal = first == 0 ? SIGTERM : first
        let waited = ContinuousClock.now - member.requestedAt
        switch member.requests {
        case 0: kill(pid, signal)
        case 1 where stop.isForced || waited > policy.grace: kill(pid, signal)
        case 2 where waited > policy.hardLimit: kill(pid, SIGKILL)
        default: return
        }
        member.requests += 1
        member.requestedAt = .now
    }

    private func ended(_ member: inout Member, _ end: WorkerEnd) {
        switch end {
        case .code(let code) where code != 1 && code != 69: member.state = .ended(code)
        // The request came before the worker could take it, or was the last resort.
        case .signal where member.requests > 0: member.state = .ended(nil)
        case .code(let code) where member.requests > 0: member.state = .ended(code)
        case .code(let code):
            say(.note(worker: member.worker.name, "\(end)"))
            again(&member, code: code)
        case .signal:
            say(.note(worker: member.worker.name, "\(end)"))
            again(&member, code: 1)
        }
    }

    private func again(_ member: inout Member, code: Int32) {
        let now = ContinuousClock.now
        member.restarts.removeAll { now - $0 > policy.window }
        guard let delay = policy.delay(recent: member.restarts.count) else {
            say(
                .note(
                    worker: member.worker.name,
                    "given up: it ended this way \(member.restarts.count + 1) times within "
                        + "\(policy.window.components.seconds) s"))
            member.state = .ended(code)
            return
        }
        say(.note(worker: member.worker.name, "started again in \(delay)"))
        member.restarts.append(now)
        member.state = .waiting(until: now + delay)
    }

    /// Until a worker says something, or for a moment.
    private func wait() {
        var descriptors: [pollfd] = []
        for member in members {
            guard case .running(let process) = member.state else { continue }
            for descriptor in [process.output.descriptor, process.errors.descriptor] {
                descriptors.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
            }
        }
        if poll(&descriptors, nfds_t(descriptors.count), 50) > 0 {
            // A closed pipe is always ready: its process is about to end, or has closed what it had.
            let isClosed = descriptors.contains {
                $0.revents & Int16(POLLIN) == 0 && $0.revents != 0
            }
            if isClosed { usleep(20_000) }
        }
    }

    private func say(_ line: Line) { tell(line) }
}
