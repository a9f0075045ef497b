import Foundation
import Glibc
import Runner

/// The terminal, where there is one.
///
/// Texts from outside (questions, names of files, a model's answers) reach it through `print` and
/// `complain` only, which show control characters rather than send them.
enum Terminal {
    static var showsOutput: Bool { isatty(STDOUT_FILENO) == 1 }
    static var showsErrors: Bool { isatty(STDERR_FILENO) == 1 }

    /// Columns of the terminal on `descriptor`; `nil` where it is none.
    static func width(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard isatty(descriptor) == 1,
            ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0
        else { return nil }
        return Int(size.ws_col)
    }

    /// Lines on standard output.
    static func print(_ text: String) { Swift.print(Printable.lines(text)) }

    /// Lines on standard error.
    static func complain(_ text: String) { write(Printable.lines(text) + "\n") }

    /// Text on standard error as it is.
    static func write(_ text: String) {
        // Both streams may go to one file: lines must come in the order in which they were said.
        fflush(nil)
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count)
            }
            // Who reads along may be gone: no reason to end.
            if count < 0, errno != EINTR { return }
            rest = rest.dropFirst(max(count, 0))
        }
    }
}
