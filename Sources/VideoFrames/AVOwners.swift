internal import CFFmpeg

/// Owns one `AVPacket`, read into again and again.
struct Packet: ~Copyable {
    let raw: UnsafeMutablePointer<AVPacket>

    init(for path: String) throws(VideoError) {
        guard let raw = av_packet_alloc() else { throw .outOfMemory(path, "a packet") }
        self.raw = raw
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVPacket>? = raw
        av_packet_free(&pointer)
    }

    func clear() { av_packet_unref(raw) }
}

/// Owns one `AVFrame`.
struct Picture: ~Copyable {
    let raw: UnsafeMutablePointer<AVFrame>

    init(for path: String) throws(VideoError) {
        guard let raw = av_frame_alloc() else { throw .outOfMemory(path, "a frame") }
        self.raw = raw
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVFrame>? = raw
        av_frame_free(&pointer)
    }

    func clear() { av_frame_unref(raw) }
}
