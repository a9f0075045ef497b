import Dispatch
import Glibc
import Runner

/// SIGINT and SIGTERM as requests to stop, as the command line takes them.
final class StormStop {
    let stop = StopSignal()
    private let sources: [any DispatchSourceSignal]

    init() {
        sources = [SIGINT, SIGTERM].map { [stop] number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { stop.request(signal: number) }
            source.activate()
            return source
        }
    }
}
