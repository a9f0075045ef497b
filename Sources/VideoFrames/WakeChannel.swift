internal import Glibc

/// A pair of connected sockets by which other threads wake one that sleeps.
final class WakeChannel: Sendable {
    let reading: Int32
    private let writing: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        if socketpair(AF_UNIX, kind, 0, &ends) != 0 { ends = [-1, -1] }
        reading = ends[0]
        writing = ends[1]
        // A full channel wakes as well as one more byte would.
        if writing >= 0 { _ = fcntl(writing, F_SETFL, O_NONBLOCK) }
    }

    deinit {
        if reading >= 0 { close(reading) }
        if writing >= 0 { close(writing) }
    }

    func signal() {
        var byte: UInt8 = 1
        _ = send(writing, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    /// Sleeps until somebody signals.
    ///
    /// - Returns: false if the channel could not be made.
    func wait() -> Bool {
        var byte: UInt8 = 0
        while true {
            let count = read(reading, &byte, 1)
            if count == 1 { return true }
            if count < 0 && errno == EINTR { continue }
            return false
        }
    }
}
