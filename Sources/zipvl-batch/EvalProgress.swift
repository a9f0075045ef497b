import Foundation
import Runner
import Synchronization

/// Shows an evaluation on standard error: a line a video, on a terminal one line that is drawn over.
final class EvalProgress: Sendable {
    private struct State {
        var done = 0
        var begun = 0
        var total = 0
        var failed = 0
        var place = ""
        var start = ContinuousClock.now
        var isDrawn = false
    }

    private let state = Mutex(State())
    private let isShown: Bool
    private let isDrawing = Terminal.showsErrors

    init(isShown: Bool) { self.isShown = isShown }

    func handle(_ event: EvaluationEvent) {
        guard isShown else { return }
        state.withLock { state in
            switch event {
            case .opened(let answered, let total):
                (state.begun, state.done, state.total) = (answered, answered, total)
                if answered > 0 { say("\(answered) of \(total) answers stand from before", &state) }
            case .began(let video, let frames, let answers, let unit, let units):
                let name = URL(fileURLWithPath: video).lastPathComponent
                state.place = "[\(unit + 1)/\(units)] \(name), \(frames) frames"
                if !isDrawing { say("\(state.place): \(answers) answers", &state) }
            case .answered:
                state.done += 1
            case .failed(let count, let message):
                (state.done, state.failed) = (state.done + count, state.failed + count)
                say("failed (\(count) answers): \(message)", &state)
            }
            draw(&state)
        }
    }

    /// Leaves the terminal clean.
    func end() {
        state.withLock { clear(&$0) }
    }

    private func say(_ text: String, _ state: inout State) {
        clear(&state)
        Terminal.complain(text)
    }

    private func clear(_ state: inout State) {
        if state.isDrawn { Terminal.write("\r\u{1B}[K") }
        state.isDrawn = false
    }

    private func draw(_ state: inout State) {
        guard isDrawing else { return }
        let seconds = (ContinuousClock.now - state.start) / .seconds(1)
        let fresh = state.done - state.begun
        let left =
            fresh > 0
            ? ", " + Figures.duration(seconds / Double(fresh) * Double(state.total - state.done))
                + " left" : ""
        let line = "\(state.done)/\(state.total) \(state.place)\(left)"
        state.isDrawn = true
        Terminal.write("\r\u{1B}[K" + String(line.prefix((Terminal.width(of: 2) ?? 80) - 1)))
    }
}
