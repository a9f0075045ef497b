internal import CFFmpeg

/// MurmurHash3 of 128 bits through libavutil: finds damage at the speed of memory, and is no protection
/// against somebody who means it.
struct ByteChecksum: ~Copyable {
    static let count = 16
    /// `nil` when there was no memory for it: such a checksum is all zeros.
    private let state: OpaquePointer?

    init() {
        state = av_murmur3_alloc()
        if let state { av_murmur3_init(state) }
    }

    deinit { av_free(UnsafeMutableRawPointer(state)) }

    mutating func add(_ bytes: [UInt8]) {
        guard let state, !bytes.isEmpty else { return }
        bytes.withUnsafeBufferPointer { av_murmur3_update(state, $0.baseAddress, $0.count) }
    }

    /// - Returns: 16 bytes
    consuming func finish() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.count)
        if let state { av_murmur3_final(state, &bytes) }
        return bytes
    }
}
