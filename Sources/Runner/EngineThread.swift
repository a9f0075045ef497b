import Foundation
import Synchronization

/// The one thread that runs the model. libtorch keeps its worker threads, its stream and its gradient
/// switch per calling thread, and the shared pool must not be blocked for minutes.
final class EngineThread: SerialExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let count = DispatchSemaphore(value: 0)

    init() {
        let thread = Thread { [unowned self] in loop() }
        thread.name = "engine"
        thread.stackSize = 16 << 20
        thread.start()
    }

    func enqueue(_ job: UnownedJob) {
        jobs.withLock { $0.append(job) }
        count.signal()
    }

    private func loop() {
        while true {
            count.wait()
            let job = jobs.withLock { $0.removeFirst() }
            job.runSynchronously(on: asUnownedSerialExecutor())
        }
    }
}
