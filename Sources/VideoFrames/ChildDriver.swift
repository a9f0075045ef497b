internal import Glibc
internal import Synchronization

/// The thread that owns the sampling child: starts it, talks to it, kills it, waits for it. Blocking calls
/// stay off Swift's concurrency pool, and the child, which the kernel ties to the thread that started it,
/// is tied to one that lives as long as the driver.
final class ChildDriver: Sendable {
    struct Job: Sendable {
        let id: UInt64
        let request: ChildRequest
        let budget: Duration
        let done: @Sendable (Result<(ChildReply, [UInt8]), any Error>) -> Void
    }

    private struct State {
        var jobs: [Job] = []
        var cancelled: Set<UInt64> = []
        var nextID: UInt64 = 0
        var isStopping = false
        var pid: pid_t?
        var isBusy = false
    }

    private let state = Mutex(State())
    /// One byte for each waiting job; the thread sleeps on it.
    private let work: WakeChannel
    /// Wakes the thread out of an exchange.
    private let interrupt: WakeChannel
    private let executable: String
    private let arguments: [String]

    init(executable: String, arguments: [String]) {
        self.executable = executable
        self.arguments = arguments
        work = WakeChannel()
        interrupt = WakeChannel()
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { opaque in
                guard let opaque else { return nil }
                Unmanaged<ChildDriver>.fromOpaque(opaque).takeRetainedValue().main()
                return nil
            }, context)
        if code == 0 {
            pthread_detach(thread)
        } else {
            Unmanaged<ChildDriver>.fromOpaque(context).release()
            state.withLock { $0.isStopping = true }
        }
    }

    /// The child's process id while one runs.
    var pid: pid_t? { state.withLock { $0.pid } }

    /// Whether the child has a request to answer.
    var isBusy: Bool { state.withLock { $0.isBusy } }

    func reserveID() -> UInt64 {
        state.withLock {
            $0.nextID += 1
            return $0.nextID
        }
    }

    func submit(_ job: Job) {
        let isAccepted = state.withLock {
            if !$0.isStopping { $0.jobs.append(job) }
            return !$0.isStopping
        }
        if isAccepted { work.signal() } else { job.done(.failure(CancellationError())) }
    }

    func cancel(_ id: UInt64) {
        state.withLock { _ = $0.cancelled.insert(id) }
        interrupt.signal()
    }

    /// The request has been answered: a cancellation that came too late is dropped.
    func forget(_ id: UInt64) { state.withLock { _ = $0.cancelled.remove(id) } }

    /// Ends the child and the thread; jobs that wait or run fail as cancelled.
    func stop() {
        state.withLock { $0.isStopping = true }
        interrupt.signal()
        work.signal()
    }

    private func isCancelled(_ id: UInt64) -> Bool {
        state.withLock { $0.isStopping || $0.cancelled.contains(id) }
    }

    private func main() {
        var child: ChildProcess?
        while work.wait() {
            while let job = nextJob() {
                let result = perform(job, &child)
                let pid = child?.pid
                state.withLock {
                    $0.pid = pid
                    $0.isBusy = false
                }
                job.done(result)
            }
            if state.withLock({ $0.isStopping }) { break }
        }
        if let last = child.take() { _ = last.end() }
        let rest = state.withLock { state in
            state.pid = nil
            state.isStopping = true
            defer { state.jobs = [] }
            return state.jobs
        }
        for job in rest { job.done(.failure(CancellationError())) }
    }

    private func nextJob() -> Job? {
        state.withLock { $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }
    }

    private func perform(
        _ job: Job, _ child: inout ChildProcess?
    ) -> Result<(ChildReply, [UInt8]), any Error> {
        let path = job.request.sampling.path
        if isCancelled(job.id) { return .failure(CancellationError()) }
        // A child that died between requests is not this file's fault.
        if let current = child.take(), current.reapIfEnded() == nil { child = consume current }
        var body: [UInt8]
        let memory: Int32
        do {
            if child == nil {
                child = try ChildProcess(executable: executable, arguments: arguments)
            }
            guard let pid = child?.pid, let socket = child?.socket, let shared = child?.memory
            else { throw CancellationError() }
            state.withLock {
                $0.pid = pid
                $0.isBusy = true
            }
            memory = shared
            let exchange = ChildExchange(
                deadline: .now + job.budget, interrupt: interrupt.reading,
                isCancelled: { self.isCancelled(job.id) })
            body = try exchange.run(Wire.encode(job.request), on: socket)
        } catch let failure as ChildExchange.Failure {
            var status: Int32 = 0
            if let lost = child.take() { status = lost.end() }
            return .failure(Self.error(failure, path: path, budget: job.budget, status: status))
        } catch let failure as ChildProcess.StartFailure {
            return .failure(
                VideoError(
                    code: .other, path: path,
                    message: "the sampler \(executable) did not start: \(failure.text)"))
        } catch {
            return .failure(error)
        }
        guard let reply = try? Wire.decode(ChildReply.self, from: body),
            let pixels = SharedFrames.read(memory, count: reply.pixelBytes)
        else {
            if let broken = child.take() { _ = broken.end() }
            return .failure(
                VideoError(code: .crashed, path: path, message: "the sampler's reply was damaged"))
        }
        ftruncate(memory, 0)
        return .success((reply, pixels))
    }

    private static func error(
        _ failure: ChildExchange.Failure, path: String, budget: Duration, status: Int32
    ) -> any Error {
        switch failure {
        case .cancelled: CancellationError()
        case .timeout:
            VideoError(
                code: .timeout, path: path,
                message: "the time budget of \(budget) was used up; the sampler was killed")
        case .closed:
            VideoError(
                code: .crashed, path: path,
                message: "the sampler died of \(ChildProcess.describe(status: status)) on this file"
            )
        case .malformed:
            VideoError(code: .crashed, path: path, message: "the sampler's reply was damaged")
        }
    }
}
