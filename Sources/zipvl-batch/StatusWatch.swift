import Dispatch
import Foundation
import Glibc
import Jobs
import Runner

/// Looks at a queue again and again.
struct StatusWatch {
    var queue: any QueueBackend
    var batch: String?
    var interval: WatchInterval
    var untilDone: Bool
    var json: Bool

    /// Ends when nothing is left, where that was asked for; else by Ctrl-C only, which is no failure.
    func run(from first: StatusSnapshot) async throws {
        let isTerminal = Terminal.showsOutput && !json
        let screen = isTerminal ? StatusScreen() : nil
        defer { screen?.end() }
        let signals = Self.endOnSignals()
        defer { signals.forEach { $0.cancel() } }
        let pause = interval.duration(onTerminal: isTerminal)
        let begin = ContinuousClock.now
        var rate = FinishRate()
        var snapshot = first
        var lastMetrics = begin
        while true {
            rate.look(
                finished: snapshot.finished, at: (ContinuousClock.now - begin) / .seconds(1))
            let text = StatusText(snapshot, rate: rate.estimate)
            if json {
                try snapshot.printJSON()
            } else if let screen {
                let head = Printable.line("\(snapshot.title)  \(snapshot.clock)  Ctrl-C ends this")
                screen.draw([head, ""] + text.lines(width: screen.width))
            } else {
                Terminal.print(text.line)
            }
            // Whoever reads along is not kept waiting.
            fflush(nil)
            if untilDone, snapshot.remaining == 0 { return }
            // Ages of jobs need all of the table: now and then is enough.
            let isStale = .now - lastMetrics > .seconds(15)
            if isStale { lastMetrics = .now }
            let oldest: Double?? = isStale ? nil : .some(snapshot.oldestQueuedSeconds)
            snapshot = try await look(oldest, after: pause)
        }
    }

    /// A queue that is busy or out of reach for a moment is no reason to end.
    private func look(_ oldest: Double??, after pause: Duration) async throws -> StatusSnapshot {
        while true {
            try await Task.sleep(for: pause)
            do {
                return try await StatusSnapshot(of: queue, batch: batch, oldest: oldest)
            } catch let error as QueueError where error.kind == .busy || error.kind == .unavailable
            {
                Terminal.complain("zipvl-batch: \(error)")
            }
        }
    }

    private static func endOnSignals() -> [any DispatchSourceSignal] {
        [(SIGINT, Int32(0)), (SIGTERM, 128 + SIGTERM)].map { number, code in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                StatusScreen.showCursor()
                exit(code)
            }
            source.activate()
            return source
        }
    }
}

/// Lines that replace each other on a terminal; what was there before stays above.
final class StatusScreen {
    private var drawn = 0

    init() { print("\u{1B}[?25l", terminator: "") }

    var width: Int { Self.size.columns }

    /// - Parameter lines: as wide as the terminal at most; those below its end are not shown
    func draw(_ lines: [String]) {
        let size = Self.size
        var shown = lines.prefix(max(1, size.rows - 1)).map { String($0.prefix(size.columns)) }
        if shown.count < lines.count { shown[shown.count - 1] = "…" }
        var text = drawn > 0 ? "\u{1B}[\(min(drawn, size.rows - 1))A\r" : ""
        for line in shown { text += line + "\u{1B}[K\n" }
        print(text + "\u{1B}[J", terminator: "")
        fflush(nil)
        drawn = shown.count
    }

    func end() { Self.showCursor() }

    static func showCursor() {
        guard Terminal.showsOutput else { return }
        print("\u{1B}[?25h", terminator: "")
        fflush(nil)
    }

    private static var size: (rows: Int, columns: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 1, size.ws_col > 0
        else { return (24, 80) }
        return (Int(size.ws_row), Int(size.ws_col))
    }
}
