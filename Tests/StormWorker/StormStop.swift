import Dispatch
import Foundation
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

/// Ends this process when the one that started it has gone, so that a test which is broken off leaves
/// nothing behind.
func endWithParent() {
    let parent = getppid()
    let watch = Thread {
        while getppid() == parent { sleep(1) }
        _exit(1)
    }
    watch.start()
}
