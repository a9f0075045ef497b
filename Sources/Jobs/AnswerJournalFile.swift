import Foundation
import Glibc

/// The journal of a worker that is gone, locked against other replays.
final class JournalFile {
    let path: String
    private let descriptor: Int32

    /// `nil` when its worker lives, or it is gone by now.
    init?(locking path: String) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        guard descriptor >= 0 else { return nil }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, Self.isAt(path, descriptor) else {
            return nil
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    struct Content {
        var answers: [JournalledAnswer] = []
        /// Numbers of lines, from 1, that are no answers.
        var damaged: [Int] = []
        /// The last line has no end.
        var isTorn = false
    }

    func read() throws(QueueError) -> Content {
        guard var data = FileManager.default.contents(atPath: path) else {
            throw QueueError(.unavailable, "\(path): the answers journal cannot be read")
        }
        // Room that was taken in advance.
        while data.last == 0 { data.removeLast() }
        var content = Content()
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() where !line.isEmpty {
            if index == lines.count - 1 {
                content.isTorn = true
            } else if let answer = try? Self.decoder.decode(JournalledAnswer.self, from: line) {
                content.answers.append(answer)
            } else {
                content.damaged.append(index + 1)
            }
        }
        return content
    }

    /// Deletes the file, or leaves only some of its answers in it. A file with damaged lines gets another
    /// name first.
    func replace(with answers: [JournalledAnswer]) throws(QueueError) {
        if try !read().damaged.isEmpty, link(path, path + ".damaged") != 0, errno != EEXIST {
            throw AnswerJournal.error(path, "cannot be kept as .damaged")
        }
        guard !answers.isEmpty else {
            guard unlink(path) == 0 else { throw AnswerJournal.error(path, "cannot be deleted") }
            return
        }
        let temporary = path + ".new"
        let output = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard output >= 0 else { throw AnswerJournal.error(temporary, "cannot be made") }
        defer { close(output) }
        var lines: [UInt8] = []
        for answer in answers { lines += try Self.line(answer) }
        guard Self.write(lines, to: output) else {
            throw AnswerJournal.error(temporary, "cannot be written")
        }
        guard fdatasync(output) == 0, rename(temporary, path) == 0 else {
            throw AnswerJournal.error(temporary, "cannot be written")
        }
        Self.syncFolder(of: path)
    }

    // MARK: Parts

    /// Whether the open file is the one that has this name.
    static func isAt(_ path: String, _ descriptor: Int32) -> Bool {
        var open = stat()
        var named = stat()
        return fstat(descriptor, &open) == 0 && stat(path, &named) == 0
            && open.st_ino == named.st_ino && open.st_dev == named.st_dev
    }

    static func line(_ answer: JournalledAnswer) throws(QueueError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do {
            return Array(try encoder.encode(answer)) + [UInt8(ascii: "\n")]
        } catch {
            throw QueueError(.invalid, "job \(answer.job): the answer is no JSON: \(error)")
        }
    }

    private static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return decoder
    }

    /// - Returns: whether all of it was written; else `errno` says why not
    static func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int = 0) -> Bool {
        var start = 0
        while start < bytes.count {
            let count = bytes[start...].withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress, $0.count, offset + start)
            }
            if count > 0 {
                start += count
            } else if count == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }

    /// A new name is on the disk only when its folder is.
    static func syncFolder(of path: String) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
