internal import Glibc

/// One request and its reply over a child's socket, within a time.
struct ChildExchange {
    let deadline: ContinuousClock.Instant
    /// Becomes readable when somebody wants the exchange to end.
    let interrupt: Int32
    /// Whether that somebody meant this exchange.
    let isCancelled: () -> Bool

    enum Failure: Error {
        case timeout, cancelled
        /// The child closed its end: it has died.
        case closed
        /// The child wrote something that is no reply.
        case malformed
    }

    func run(_ request: [UInt8], on socket: Int32) throws(Failure) -> [UInt8] {
        var sent = 0
        while sent < request.count {
            let length = request.withUnsafeBytes {
                send(
                    socket, $0.baseAddress.map { $0 + sent }, request.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if length > 0 {
                sent += length
            } else if length < 0 && errno == EAGAIN {
                try wait(socket, for: Int16(POLLOUT))
            } else if !(length < 0 && errno == EINTR) {
                throw .closed
            }
        }
        let header = try receive(4, from: socket)
        guard let length = Wire.bodyLength(header) else { throw .malformed }
        return try receive(length, from: socket)
    }

    private func receive(_ count: Int, from socket: Int32) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let length = bytes.withUnsafeMutableBytes {
                recv(socket, $0.baseAddress.map { $0 + filled }, count - filled, 0)
            }
            if length > 0 {
                filled += length
            } else if length < 0 && errno == EAGAIN {
                try wait(socket, for: Int16(POLLIN))
            } else if !(length < 0 && errno == EINTR) {
                throw .closed
            }
        }
        return bytes
    }

    private func wait(_ socket: Int32, for events: Int16) throws(Failure) {
        if isCancelled() { throw .cancelled }
        let left = (deadline - ContinuousClock.now).milliseconds
        guard left > 0 else { throw .timeout }
        var descriptors = [
            pollfd(fd: socket, events: events, revents: 0),
            pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&descriptors, 2, Int32(min(left.rounded(.up), 60_000)))
        if descriptors[1].revents != 0 {
            var byte: UInt8 = 0
            _ = read(interrupt, &byte, 1)
        }
    }
}
