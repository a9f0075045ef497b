import Foundation
import Glibc
import Synchronization

/// Answers that a worker has computed and that the queue may not have yet: one JSON line each
/// (`JournalledAnswer`), on the disk when `append` returns. A line is written before the answer goes to
/// the queue, so that neither a queue that is full, gone or damaged nor the worker's death costs it.
///
/// Each worker has a file of its own, locked while it lives. `replay` takes in what dead workers left.
package final class AnswerJournal: Sendable {
    private struct State {
        var descriptor: Int32
        /// Length of the file in whole lines.
        var length = 0
        var pending: [JournalledAnswer] = []
    }

    package let path: String
    private let state: Mutex<State>

    /// Room that is taken in advance, so that a full disk has place for the answer in hand.
    static let reserve = 128 << 10
    /// A file whose answers the queue all has begins anew when it is longer than this.
    static let rotation = 64 << 10

    /// Makes the folder, and a new file with the worker's name in it.
    ///
    /// - Throws: `full` or `unavailable`
    package init(folder: String, name: String) throws(QueueError) {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw QueueError(
                .unavailable, "\(folder): the answers journal's folder cannot be made: \(error)")
        }
        var number = 1
        var made: (path: String, descriptor: Int32)?
        while made == nil {
            // Process ids come again, on another boot or in another container.
            let path = "\(folder)/\(name)\(number == 1 ? "" : "-\(number)").jsonl"
            let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            guard descriptor >= 0 || errno == EEXIST && number < 10_000 else {
                throw Self.error(path, "cannot be made")
            }
            number += 1
            guard descriptor >= 0 else { continue }
            // A replay that found it before it was locked has deleted it.
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0, JournalFile.isAt(path, descriptor) {
                made = (path, descriptor)
            } else {
                Glibc.close(descriptor)
            }
        }
        guard let made else { throw Self.error(folder, "cannot be made") }
        path = made.path
        state = Mutex(State(descriptor: made.descriptor))
        JournalFile.syncFolder(of: path)
        // Zeros after the lines; a full disk takes no more than that.
        posix_fallocate(made.descriptor, 0, Self.reserve)
    }

    deinit { close() }

    /// Answers that were not acknowledged, in order.
    package var pending: [JournalledAnswer] { state.withLock { $0.pending } }

    /// The answer is on the disk when this returns.
    ///
    /// - Throws: `full` or `unavailable`; the file is as it was then
    package func append(_ answer: JournalledAnswer) throws(QueueError) {
        let line = try JournalFile.line(answer)
        let problem = state.withLock { state -> QueueError? in
            guard state.descriptor >= 0 else {
                return QueueError(.unavailable, "\(path): the journal is closed")
            }
            if state.pending.isEmpty, state.length > Self.rotation {
                if ftruncate(state.descriptor, 0) == 0 { state.length = 0 }
                posix_fallocate(state.descriptor, 0, Self.reserve)
            }
            guard JournalFile.write(line, to: state.descriptor, at: state.length),
                fdatasync(state.descriptor) == 0
            else {
                let problem = Self.error(path, "cannot be written")
                // Half a line would hide the next one.
                ftruncate(state.descriptor, state.length)
                return problem
            }
            state.length += line.count
            state.pending.append(answer)
            return nil
        }
        if let problem { throw problem }
    }

    /// The queue has the answer, or will never take it.
    package func acknowledge(_ attempt: AttemptID) {
        state.withLock { state in state.pending.removeAll { $0.attempt == attempt } }
    }

    /// Lets go of the file; it is deleted when all its answers were acknowledged.
    package func close() {
        state.withLock { state in
            guard state.descriptor >= 0 else { return }
            if state.pending.isEmpty {
                unlink(path)
            } else {
                // What was reserved and not used.
                ftruncate(state.descriptor, state.length)
            }
            Glibc.close(state.descriptor)
            state.descriptor = -1
        }
    }

    static func error(_ path: String, _ what: String) -> QueueError {
        let code = errno
        let isFull = code == ENOSPC || code == EDQUOT || code == EFBIG
        return QueueError(
            isFull ? .full : .unavailable,
            "\(path): the answers journal \(what): \(String(cString: strerror(code)))")
    }
}

/// Taking in what dead workers left.
extension AnswerJournal {
    /// The right to take back jobs and take in answers, which one worker of a machine has at a time.
    package final class Turn: Sendable {
        private let lock: Mutex<FileLock?>
        fileprivate init(_ lock: FileLock) { self.lock = Mutex(lock) }
        package func end() { lock.withLock { $0 = nil } }
    }

    /// - Parameter waits: how long for another worker's turn to end; `nil` does not wait
    /// - Returns: `nil` when another worker is at it
    package static func turn(in folder: String, waits: Duration?) async throws -> Turn? {
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let deadline = ContinuousClock.now + (waits ?? .zero)
        while true {
            if let lock = try FileLock(path: "\(folder)/replay.lock") { return Turn(lock) }
            guard ContinuousClock.now < deadline else { return nil }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// What came of a replay.
    package struct Replay: Sendable, Equatable {
        /// Answers that the queue did not have.
        package var stored = 0
        /// Answers that it had, or does not want any more.
        package var dropped = 0
        /// Answers that stay in their files: their jobs are running, or unknown to this queue.
        package var kept = 0
        /// Lines that are no answers.
        package var damaged = 0
        /// For people: what was found in which file.
        package var notices: [String] = []
    }

    /// Takes in the answers in files of workers that are gone. What the queue has is dropped: taking in
    /// an answer twice stores it once.
    ///
    /// - Throws: what `readmit` throws; what was not taken in by then stays
    package static func replay(
        folder: String, readmit: (JournalledAnswer) async throws -> Readmission
    ) async throws -> Replay {
        var replay = Replay()
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names.sorted() where name.hasSuffix(".jsonl") {
            let path = "\(folder)/\(name)"
            // Its worker lives, and sees to it.
            guard let file = JournalFile(locking: path) else { continue }
            try await replayFile(file, &replay, readmit)
        }
        return replay
    }

    private static func replayFile(
        _ file: JournalFile, _ replay: inout Replay,
        _ readmit: (JournalledAnswer) async throws -> Readmission
    ) async throws {
        let content = try file.read()
        if content.isTorn {
            replay.notices.append(
                "\(file.path): the last line is torn: an answer that was being written down when its "
                    + "worker died")
        }
        for number in content.damaged {
            replay.notices.append("\(file.path):\(number): is no answer, and is left out")
        }
        replay.damaged += content.damaged.count
        var left = content.answers[...]
        var kept: [JournalledAnswer] = []
        do {
            while let entry = left.first {
                switch try await readmission(entry, file, &replay, readmit) {
                case .stored: replay.stored += 1
                case .alreadyAnswered, .cancelled: replay.dropped += 1
                case .running, .unknownJob: kept.append(entry)
                }
                left.removeFirst()
            }
        } catch {
            replay.kept += kept.count + left.count
            if left.count < content.answers.count { try? file.replace(with: kept + left) }
            throw error
        }
        replay.kept += kept.count
        if !kept.isEmpty {
            replay.notices.append(
                "\(file.path): \(kept.count) answers stay there: their jobs are running, or not in "
                    + "this queue")
        }
        if kept.count < content.answers.count || content.answers.isEmpty {
            try file.replace(with: kept)
        }
    }

    /// A row that the queue refuses keeps no other from being taken in.
    private static func readmission(
        _ entry: JournalledAnswer, _ file: JournalFile, _ replay: inout Replay,
        _ readmit: (JournalledAnswer) async throws -> Readmission
    ) async throws -> Readmission {
        do {
            return try await readmit(entry)
        } catch let error as QueueError where error.kind == .invalid {
            replay.notices.append("\(file.path): job \(entry.job): \(error.message)")
            return .unknownJob
        }
    }
}
