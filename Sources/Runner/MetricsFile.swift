import Glibc
package import Jobs

/// Writes a file so that a reader sees the old content or the new one, and nothing in between.
package enum WholeFile {
    /// The new file has mode 0644.
    ///
    /// - Throws: `full` or `unavailable`
    package static func write(_ text: String, to path: String) throws(QueueError) {
        // In the same folder: a rename does not cross filesystems.
        let temporary = "\(path).\(getpid()).tmp"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw error(temporary) }
        defer { close(descriptor) }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failed(temporary, temporary) }
            rest = rest.dropFirst(count)
        }
        // Whatever the umask: somebody else reads it.
        guard fchmod(descriptor, 0o644) == 0 else { throw failed(temporary, temporary) }
        guard rename(temporary, path) == 0 else { throw failed(path, temporary) }
    }

    private static func failed(_ path: String, _ temporary: String) -> QueueError {
        let problem = error(path)
        unlink(temporary)
        return problem
    }

    private static func error(_ path: String) -> QueueError {
        let code = errno
        return QueueError(
            code == ENOSPC || code == EDQUOT ? .full : .unavailable,
            "\(path): cannot be written: \(String(cString: strerror(code)))")
    }
}

/// A worker's Prometheus text file, for the node exporter's textfile collector.
final class MetricsFile: Sendable {
    static let interval = Duration.seconds(15)

    private let path: String
    private let queue: any QueueBackend
    private let worker: WorkerInfo
    private let busy: BusyTime
    private let notice: @Sendable (String) -> Void
    private let task = Latch<Task<Void, Never>>()

    init(
        _ path: String, _ queue: any QueueBackend, _ worker: WorkerInfo, _ busy: BusyTime,
        notice: @escaping @Sendable (String) -> Void
    ) {
        self.path = path
        self.queue = queue
        self.worker = worker
        self.busy = busy
        self.notice = notice
    }

    func start(_ clock: RunnerClock) {
        task.set(
            Task {
                while !Task.isCancelled {
                    await write(isUp: true)
                    await clock.sleep(Self.interval)
                }
            })
    }

    /// Writes a last time.
    func end() async {
        task.value?.cancel()
        await task.value?.value
        await write(isUp: false)
    }

    private func write(isUp: Bool) async {
        do {
            let metrics = try await queue.metrics()
            try WholeFile.write(
                PrometheusText.render(
                    metrics,
                    worker: .init(
                        name: worker.name, device: worker.device, isUp: isUp,
                        busySeconds: busy.seconds)), to: path)
        } catch {
            notice("metrics: \((error as? QueueError)?.message ?? "\(error)")")
        }
    }
}

extension JobRunner {
    func startMetrics() -> MetricsFile? {
        guard let path = options.metricsFile else { return nil }
        let file = MetricsFile(path, queue, worker, busy) { [observer] in
            observer?.handle(.notice($0))
        }
        file.start(clock)
        return file
    }
}
