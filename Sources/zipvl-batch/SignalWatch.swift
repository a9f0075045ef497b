import Dispatch
import Glibc
import Runner

/// Turns SIGINT and SIGTERM into requests to stop.
final class SignalWatch {
    private let sources: [any DispatchSourceSignal]

    /// The first signal lets the job in hand finish, the second gives it up. Should even that hang, the
    /// process ends a few seconds later; the next worker's rescue gives the job back.
    ///
    /// - Parameter limit: from the second signal to that end
    init(_ stop: StopSignal, limit: Duration = .seconds(10)) {
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                let isSecond = stop.isRequested
                stop.request(signal: number)
                guard isSecond else {
                    if Terminal.showsErrors {
                        Terminal.complain("\nfinishing the job in hand; again to give it up")
                    }
                    return
                }
                DispatchQueue.global().asyncAfter(
                    deadline: .now() + .seconds(Int(limit.components.seconds))
                ) { _exit(128 + number) }
            }
            source.activate()
            return source
        }
    }

    func stop() { sources.forEach { $0.cancel() } }
}
