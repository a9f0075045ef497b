internal import CFFmpeg

/// Owns a decoder of one stream. One thread is the rule: many groups or videos at once use the cores better
/// than many threads on one, and no frame is delayed by threading.
struct Decoder: ~Copyable {
    let context: UnsafeMutablePointer<AVCodecContext>
    /// Whether frames that no other refers to may be skipped without changing the rest. Measured to be exact
    /// for these codecs; HEVC only without temporal layers.
    let canSkipUnreferenced: Bool
    let isIntraOnly: Bool
    /// What outlasts a flush.
    enum Memory {
        /// Nothing that the next key frame does not replace.
        case none
        /// Parameter sets, which the container's own can replace.
        case parameterSets
        /// Headers and tables that only a new decoder forgets: MPEG's sequence headers, JPEG's tables.
        case configuration
    }
    let memory: Memory
    /// Messages of a decoder with several threads.
    private let messages: UnsafeMutablePointer<Int32>?

    /// - Parameters:
    ///   - threads: frames decoded at a time. With more than one, errors come later than their packets.
    ///   - device: decodes instead of the processor, where it can
    init(
        _ parameters: UnsafePointer<AVCodecParameters>, path: String, limits: SamplingLimits,
        threads: Int = 1, device: HardwareDevice? = nil
    ) throws(VideoError) {
        let id = parameters.pointee.codec_id
        let name = AV.string(avcodec_get_name(id)) ?? "unknown"
        let hardware = device == nil ? nil : HardwareDevice.decoder(for: id)
        guard let codec = hardware ?? avcodec_find_decoder(id) else {
            throw VideoError(
                code: .decode, path: path,
                message: "no decoder for the codec \(name) in this libavcodec")
        }
        let pixels = Int(parameters.pointee.width) * Int(parameters.pointee.height)
        guard pixels <= limits.pixels else {
            throw VideoError(
                code: .tooLarge, path: path,
                message: "expected at most \(limits.pixels) pixels a frame, found "
                    + "\(parameters.pointee.width)x\(parameters.pointee.height)")
        }
        guard let context = avcodec_alloc_context3(codec) else {
            throw .outOfMemory(path, "a decoder")
        }
        var code = avcodec_parameters_to_context(context, parameters)
        context.pointee.thread_count = Int32(threads)
        context.pointee.thread_type = FF_THREAD_FRAME
        if hardware != nil { device?.attach(to: context) }
        let messages = threads > 1 ? UnsafeMutablePointer<Int32>.allocate(capacity: 1) : nil
        messages?.initialize(to: 0)
        context.pointee.opaque = messages.map { UnsafeMutableRawPointer($0) }
        context.pointee.max_pixels = Int64(limits.pixels)
        if code >= 0 { code = avcodec_open2(context, codec, nil) }
        guard code >= 0 else {
            var failed: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&failed)
            messages?.deallocate()
            throw VideoError(
                code: .decode, path: path,
                message: "the \(name) decoder did not start: \(AV.text(code))")
        }
        self.context = context
        self.messages = messages
        let skippable = [
            AV_CODEC_ID_H264, AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4,
            AV_CODEC_ID_VP8,
        ]
        canSkipUnreferenced =
            skippable.contains(id)
            || id == AV_CODEC_ID_HEVC && HEVCLayers.isSingle(parameters)
        let properties = avcodec_descriptor_get(id)?.pointee.props ?? 0
        isIntraOnly = properties & AV_CODEC_PROP_INTRA_ONLY != 0
        memory =
            switch id {
            case AV_CODEC_ID_H264, AV_CODEC_ID_HEVC: .parameterSets
            case AV_CODEC_ID_VP9, AV_CODEC_ID_AV1: .none
            default: .configuration
            }
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&pointer)
        messages?.deallocate()
    }

    /// Whether a decoder with several threads had anything to say: only its log tells of every damage.
    var hasSpoken: Bool { messages.map { zvl_message_count($0) > 0 } ?? false }

    /// Forgets everything, so that the next packet may be any key.
    func flush() { avcodec_flush_buffers(context) }

    /// - Returns: libav's code; damaged data gives an error and the decoder goes on.
    func send(_ packet: borrowing Packet, skippingUnreferenced: Bool) -> Int32 {
        context.pointee.skip_frame =
            skippingUnreferenced && canSkipUnreferenced ? AVDISCARD_NONREF : AVDISCARD_DEFAULT
        return avcodec_send_packet(context, packet.raw)
    }

    /// Makes the decoder give the frames it still holds.
    func drain() { _ = avcodec_send_packet(context, nil) }

    /// - Returns: libav's code, which is not negative if there was a frame.
    func receive(_ picture: borrowing Picture) -> Int32 {
        avcodec_receive_frame(context, picture.raw)
    }

    /// Whether several threads can work on neighbouring frames.
    var canThreadFrames: Bool {
        (context.pointee.codec?.pointee.capabilities ?? 0) & AV_CODEC_CAP_FRAME_THREADS != 0
    }
}

/// Whether an HEVC stream has one temporal layer: with several, a picture that its own layer does not refer
/// to may serve a higher one.
enum HEVCLayers {
    static func isSingle(_ parameters: UnsafePointer<AVCodecParameters>) -> Bool {
        guard let data = parameters.pointee.extradata else { return false }
        let bytes = UnsafeBufferPointer(start: data, count: Int(parameters.pointee.extradata_size))
        guard bytes.count >= 23 else { return false }
        // ISO/IEC 14496-15, 8.3.3.1: numTemporalLayers, 0 when unknown.
        if bytes[0] == 1 { return bytes[21] >> 3 & 7 == 1 }
        // Annex B: sps_max_sub_layers_minus1 in the sequence parameter set, NAL type 33.
        for start in 0..<(bytes.count - 6)
        where bytes[start] == 0 && bytes[start + 1] == 0 && bytes[start + 2] == 1 {
            if bytes[start + 3] >> 1 & 0x3F == 33 { return bytes[start + 5] >> 1 & 7 == 0 }
        }
        return false
    }
}
