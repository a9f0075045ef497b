import Dispatch
import Glibc
import Runner

/// Turns signals into requests: SIGINT and SIGTERM to stop, SIGUSR1 to say what stands, SIGUSR2 to show
/// progress or not, SIGHUP to open the log anew.
final class SignalWatch {
    private let sources: [any DispatchSourceSignal]

    /// The first signal lets the job in hand finish, the second gives it up. Should even that hang, the
    /// process ends a few seconds later; the next worker's rescue gives the job back.
    ///
    /// - Parameters:
    ///   - limit: from the second signal to that end
    ///   - reopen: on SIGHUP; without it SIGHUP, which says that the terminal is gone, asks to stop
    ///   - tell: on SIGUSR1
    ///   - toggle: on SIGUSR2
    init(
        _ stop: StopSignal, limit: Duration = .seconds(10), reopen: (@Sendable () -> Void)? = nil,
        tell: @escaping @Sendable () -> Void = {}, toggle: @escaping @Sendable () -> Void = {}
    ) {
        let ask: @Sendable (Int32) -> Void = { number in
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
        let handlers: [(Int32, @Sendable () -> Void)] = [
            (SIGINT, { ask(SIGINT) }), (SIGTERM, { ask(SIGTERM) }), (SIGUSR1, tell),
            (SIGUSR2, toggle), (SIGHUP, reopen ?? { ask(SIGHUP) }),
        ]
        sources = handlers.compactMap { number, handler in
            // Started with nohup, the terminal's end means nothing.
            if number == SIGHUP, reopen == nil, Self.isIgnored(SIGHUP) { return nil }
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { handler() }
            source.activate()
            return source
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }

    func stop() { sources.forEach { $0.cancel() } }
}
