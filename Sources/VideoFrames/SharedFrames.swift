internal import CFFmpeg
internal import Glibc

/// Memory that the parent makes and the child fills: the frames of one request.
enum SharedFrames {
    /// Where the child finds it.
    static let childDescriptor: Int32 = 3

    /// - Returns: a descriptor that is closed on exec, or nil.
    static func create() -> Int32? {
        let descriptor = zvl_memory_file("zipvl-frames")
        return descriptor >= 0 ? descriptor : nil
    }

    /// The parent copies instead of mapping: a child that shrinks the memory cannot make it fault.
    static func read(_ descriptor: Int32, count: Int, at start: Int = 0) -> [UInt8]? {
        // The standard library writes the count into the empty array that all threads share.
        if count == 0 { return [] }
        var isComplete = true
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                guard let base = buffer.baseAddress else { break }
                let length = pread(
                    descriptor, base + initialized, count - initialized,
                    off_t(start + initialized))
                if length < 0 && errno == EINTR { continue }
                guard length > 0 else { break }
                initialized += length
            }
            isComplete = initialized == count
        }
        return isComplete ? bytes : nil
    }
}

/// The child's view of the shared memory for one request.
final class FrameMapping {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// Makes room for `count` bytes, all zero.
    func map(_ count: Int, path: String) throws(VideoError) -> UnsafeMutableRawBufferPointer {
        guard ftruncate(SharedFrames.childDescriptor, off_t(count)) == 0 else {
            throw .outOfMemory(path, "\(count) bytes of frames")
        }
        let address = mmap(
            nil, count, PROT_READ | PROT_WRITE, MAP_SHARED, SharedFrames.childDescriptor, 0)
        guard let address, address != MAP_FAILED else {
            throw .outOfMemory(path, "\(count) bytes of frames")
        }
        memory = UnsafeMutableRawBufferPointer(start: address, count: count)
        return memory
    }

    var count: Int { memory.count }

    deinit {
        if let base = memory.baseAddress { munmap(base, memory.count) }
    }
}
