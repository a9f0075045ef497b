import Glibc
import Jobs

/// The lines of a file or of standard input, one at a time: however long the input is, one block and
/// the line at hand are held.
final class InputLines {
    struct Line {
        /// From 1.
        var number: Int
        /// Without the line end and blanks around; `nil` when `problem` says what is wrong with it.
        var text: String?
        var problem = ""
    }

    /// For messages.
    let name: String
    private let descriptor: Int32
    private let limit: Int
    private var block: [UInt8]
    private var rest: Range<Int> = 0..<0
    private var line: [UInt8] = []
    private var number = 0
    private var hasEnded = false

    /// - Parameters:
    ///   - path: `nil` for standard input
    ///   - limit: bytes of the longest line
    init(_ path: String?, limit: Int = 4 << 20) throws(JobFileError) {
        self.limit = limit
        name = path ?? "standard input"
        block = [UInt8](repeating: 0, count: 1 << 18)
        descriptor = path.map { open($0, O_RDONLY | O_CLOEXEC) } ?? dup(STDIN_FILENO)
        guard descriptor >= 0 else {
            throw JobFileError(name, nil, "cannot be read: \(String(cString: strerror(errno)))")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The next line that is not empty.
    ///
    /// - Throws: when the file cannot be read on
    func next() throws(JobFileError) -> Line? {
        while let line = try readLine() {
            if line.text != "" { return line }
        }
        return nil
    }

    private func readLine() throws(JobFileError) -> Line? {
        line.removeAll(keepingCapacity: true)
        var length = 0
        var isPart = false
        while true {
            if rest.isEmpty {
                guard try fill() else {
                    guard isPart else { return nil }
                    break
                }
            }
            isPart = true
            let end = block[rest].firstIndex(of: UInt8(ascii: "\n"))
            let part = rest.lowerBound..<(end ?? rest.upperBound)
            length += part.count
            if length <= limit { line += block[part] }
            rest = (end.map { $0 + 1 } ?? rest.upperBound)..<rest.upperBound
            if end != nil { break }
        }
        number += 1
        if length > limit {
            return Line(
                number: number, problem: "has \(length) bytes, expected at most \(limit)")
        }
        return finished
    }

    private var finished: Line {
        var bytes = line[...]
        // A byte order mark, as some editors write.
        if number == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        while let last = bytes.last, Self.isBlank(last) { bytes = bytes.dropLast() }
        bytes = bytes.drop(while: Self.isBlank)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return Line(
                number: number, problem: "is not UTF-8: " + Printable.bytes(bytes.prefix(80)))
        }
        return Line(number: number, text: text)
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    private func fill() throws(JobFileError) -> Bool {
        guard !hasEnded else { return false }
        while true {
            let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw JobFileError(name, nil, "cannot be read: \(String(cString: strerror(errno)))")
            }
            hasEnded = count == 0
            rest = 0..<count
            return count > 0
        }
    }
}
