import Crypto
import Foundation
import Glibc

/// What a file is, whatever it is called: the queue knows videos by content, so that a renamed or
/// touched file is not analysed again and a replaced one is.
package struct ContentIdentity: Sendable, Hashable {
    /// `sha256:<hex>`, or `bad:<path>:<size>:<mtime>`.
    package var id: String
    package var sizeBytes: Int64
    package var mtimeNanoseconds: Int64

    /// Reads the whole file once, in blocks of 1 MiB.
    ///
    /// - Throws: `Failure` of class `input`: `unreadable` (with the system's reason), or `changed`
    ///   when the file was written to while it was read.
    package static func ofFile(_ path: String) throws(Failure) -> ContentIdentity {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, "cannot be opened", errno) }
        defer { close(descriptor) }
        let before = try facts(of: descriptor, path)

        var hash = SHA256()
        var block = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, "cannot be read", errno) }
            if count == 0 { break }
            block.withUnsafeBytes { hash.update(bufferPointer: .init(rebasing: $0[..<count])) }
        }

        let after = try facts(of: descriptor, path)
        guard before == after else {
            throw Failure(
                errorClass: .input, code: "changed",
                message: "\(path): changed while it was read; enqueue it again when it is complete",
                stage: "probe")
        }
        return ContentIdentity(
            id: "sha256:" + hex(hash.finalize()), sizeBytes: after.size,
            mtimeNanoseconds: after.mtime)
    }

    /// The identity of a file that cannot be read or is no video: by place and time, because two
    /// empty files at two places are two faults to look at. A missing file has size -1, time 0.
    package static func ofBadFile(_ path: String) -> ContentIdentity {
        let found = statistics(path)
        let size = found?.size ?? -1
        let mtime = found?.mtime ?? 0
        return ContentIdentity(
            id: "bad:\(path):\(size):\(mtime)", sizeBytes: size, mtimeNanoseconds: mtime)
    }

    /// Size in bytes and modification time in nanoseconds; `nil` when there is no such file.
    package static func statistics(_ path: String) -> (size: Int64, mtime: Int64)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return (Int64(status.st_size), nanoseconds(status.st_mtim))
    }

    /// Equal for two jobs that must have the same answer.
    package static func dedupeKey(
        contentID: String, question: String, choices: [String]?, configFingerprint: String
    ) -> String {
        var hash = SHA256()
        // Every part is preceded by its length, so that no two lists of parts give the same bytes.
        func add(_ part: String) {
            let bytes = Array(part.utf8)
            hash.update(data: Array("\(bytes.count):".utf8))
            hash.update(data: bytes)
        }
        add(contentID)
        add(question)
        add(choices.map { "\($0.count)" } ?? "open")
        for choice in choices ?? [] { add(choice) }
        add(configFingerprint)
        return hex(hash.finalize())
    }

    /// sha256 of a text as lower-case hexadecimal digits.
    package static func sha256(_ text: String) -> String {
        hex(SHA256.hash(data: Array(text.utf8)))
    }

    private static func hex(_ digest: SHA256.Digest) -> String {
        digest.map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    private static func facts(of descriptor: Int32, _ path: String) throws(Failure) -> FileFacts {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw unreadable(path, "cannot be read", errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(
                errorClass: .input, code: "unreadable", message: "\(path): is not a regular file",
                stage: "probe")
        }
        return FileFacts(size: Int64(status.st_size), mtime: nanoseconds(status.st_mtim))
    }

    private struct FileFacts: Equatable {
        var size: Int64
        var mtime: Int64
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    private static func unreadable(_ path: String, _ what: String, _ code: Int32) -> Failure {
        Failure(
            errorClass: .input, code: "unreadable",
            message: "\(path): \(what): \(String(cString: strerror(code)))", stage: "probe")
    }
}
