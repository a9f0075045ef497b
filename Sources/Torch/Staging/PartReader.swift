import Dispatch
import Glibc
import Synchronization

/// Threads that read parts of a file into buffers, in the order of the parts, ahead of the one who takes
/// them.
final class PartReader: Sendable {
    struct Part: Sendable {
        /// Offset in the range, bytes.
        let start: Int
        let count: Int
    }

    private struct State {
        var nextPart = 0
        var free: [Int]
        var ready: [(part: Int, buffer: Int)] = []
        var failure: String?
    }

    private let descriptor: Int32
    private let offset: Int
    private let parts: [Part]
    /// Addresses, since pointers are not Sendable.
    private let buffers: [UInt]
    private let state: Mutex<State>
    private let freeBuffers: DispatchSemaphore
    private let readyParts = DispatchSemaphore(value: 0)
    private let running = DispatchGroup()

    /// - Parameters:
    ///   - offset: of the parts in the file
    ///   - buffers: each has room for any of the parts
    init(descriptor: Int32, offset: Int, parts: [Part], buffers: [UnsafeMutableRawPointer]) {
        self.descriptor = descriptor
        self.offset = offset
        self.parts = parts
        self.buffers = buffers.map { UInt(bitPattern: $0) }
        state = Mutex(State(free: Array(buffers.indices)))
        freeBuffers = DispatchSemaphore(value: 0)
        for _ in buffers { freeBuffers.signal() }
    }

    func start(threads: Int) {
        // A small tensor is read where it is wanted: there is a buffer for its one part.
        guard parts.count > 1 else { return read() }
        for _ in 0..<threads { DispatchQueue.global().async(group: running) { self.read() } }
    }

    /// The next part that has been read, and the buffer it is in; `nil` after a failure.
    func next() -> (Part, buffer: Int)? {
        readyParts.wait()
        return state.withLock { state in
            guard state.failure == nil, !state.ready.isEmpty else { return nil }
            let (part, buffer) = state.ready.removeFirst()
            return (parts[part], buffer)
        }
    }

    /// The buffer may be read into again.
    func release(_ buffer: Int) {
        state.withLock { $0.free.append(buffer) }
        freeBuffers.signal()
    }

    /// Ends the reading, also before its end.
    func finish() {
        state.withLock { $0.nextPart = parts.count }
        freeBuffers.signal()
        running.wait()
    }

    var failure: String? { state.withLock { $0.failure } }

    private func read() {
        while true {
            freeBuffers.wait()
            let task = state.withLock { state -> (part: Int, buffer: Int)? in
                guard state.nextPart < parts.count, state.failure == nil,
                    let buffer = state.free.popLast()
                else { return nil }
                defer { state.nextPart += 1 }
                return (state.nextPart, buffer)
            }
            guard let task else {
                // The others wait for a buffer too, and there is nothing more to read.
                freeBuffers.signal()
                return
            }
            let failure = fill(task.buffer, parts[task.part])
            state.withLock { state in
                if let failure { state.failure = failure } else { state.ready.append(task) }
            }
            readyParts.signal()
        }
    }

    /// - Returns: what kept the part from being read
    private func fill(_ buffer: Int, _ part: Part) -> String? {
        guard let address = UnsafeMutableRawPointer(bitPattern: buffers[buffer]) else {
            return "no buffer"
        }
        var done = 0
        while done < part.count {
            let count = pread(
                descriptor, address + done, part.count - done,
                off_t(offset + part.start + done))
            if count < 0, errno == EINTR { continue }
            if count < 0 { return String(cString: strerror(errno)) }
            if count == 0 { return "it ends at byte \(offset + part.start + done)" }
            done += count
        }
        return nil
    }
}
