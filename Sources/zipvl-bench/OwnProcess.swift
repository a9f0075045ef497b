import FoundationEssentials
import Glibc

/// Runs this program once more, for what needs a process of its own.
enum OwnProcess {
    /// - Returns: lines of its standard output; its errors go to ours.
    /// - Throws: `ChildFailed` when it ends with another code than 0.
    static func lines(_ arguments: [String]) throws -> [Data] {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let words = ([program] + arguments).map {
            "'" + $0.replacing("'", with: #"'\''"#) + "'"
        }
        guard let pipe = popen(words.joined(separator: " "), "r") else {
            throw ChildFailed(arguments: arguments, status: -1)
        }
        var output = Data()
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, pipe)
            if count == 0 { break }
            output.append(contentsOf: buffer[..<count])
        }
        let status = pclose(pipe)
        guard status == 0 else { throw ChildFailed(arguments: arguments, status: status) }
        return output.split(separator: UInt8(ascii: "\n")).map { Data($0) }
    }
}

struct ChildFailed: Error, CustomStringConvertible {
    let arguments: [String]
    /// As `wait` gives it.
    let status: Int32

    var description: String {
        "zipvl-bench \(arguments.joined(separator: " ")) failed (status \(status))"
    }
}
