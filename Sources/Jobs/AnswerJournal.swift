package import Foundation
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
        var length: Int64 = 0
        var pending: [JournalledAnswer] = []
    }

    package let path: String
    private let state: Mutex<State>

    /// Room that is taken in advance, so that a full disk has place for the answer in hand.
    static let reserve: Int64 = 128 << 10
    /// A file whose answers the queue all has begins anew when it is longer than this.
    static let rotation: Int64 = 64 << 10

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
        while true {
            // Process ids come again, on another boot or in another container.
            let path = "\(folder)/\(name)\(number == 1 ? "" : "-\(number)").jsonl"
            let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
            if descriptor < 0, errno == EEXIST, number < 10_000 {
                number += 1
                continue
            }
            guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                throw Self.error(path, "cannot be made")
            }
            self.path = path
            state = Mutex(State(descriptor: descriptor))
            break
        }
        JournalFile.syncFolder(of: path)
        _ = fallocate(state.withLock { $0.descriptor }, FALLOC_FL_KEEP_SIZE, 0, Self.reserve)
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
                _ = fallocate(state.descriptor, FALLOC_FL_KEEP_SIZE, 0, Self.reserve)
            }
            guard JournalFile.write(line, to: state.descriptor), fdatasync(state.descriptor) == 0
            else {
                let problem = Self.error(path, "cannot be written")
                // Half a line would hide the next one.
                ftruncate(state.descriptor, state.length)
                return problem
            }
            state.length += Int64(line.count)
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

    fileprivate static func error(_ path: String, _ what: String) -> QueueError {
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
            guard let lock = try? FileLock(path: path) else { continue }
            try await withExtendedLifetime(lock) {}
            try await replayFile(path, &replay, readmit)
            _ = lock
        }
        return replay
    }

    private static func replayFile(
        _ path: String, _ replay: inout Replay,
        _ readmit: (JournalledAnswer) async throws -> Readmission
    ) async throws {
        let content = try JournalFile.read(path)
        if content.isTorn {
            replay.notices.append(
                "\(path): the last line is torn; its answer had not been promised to anybody")
        }
        for number in content.damaged {
            replay.notices.append("\(path):\(number): is no answer, and is left out")
        }
        replay.damaged += content.damaged.count
        var left = content.answers[...]
        var kept: [JournalledAnswer] = []
        do {
            while let entry = left.first {
                switch try await readmit(entry) {
                case .stored: replay.stored += 1
                case .alreadyAnswered, .cancelled: replay.dropped += 1
                case .running, .unknownJob: kept.append(entry)
                }
                left.removeFirst()
            }
        } catch {
            replay.kept += kept.count + left.count
            try? JournalFile.replace(path, with: kept + left, copyDamaged: !content.damaged.isEmpty)
            throw error
        }
        replay.kept += kept.count
        if !kept.isEmpty {
            replay.notices.append(
                "\(path): \(kept.count) answers stay there: their jobs are running or not in this "
                    + "queue")
        }
        try JournalFile.replace(path, with: kept, copyDamaged: !content.damaged.isEmpty)
    }
}
