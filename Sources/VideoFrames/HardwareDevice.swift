internal import CFFmpeg
internal import Synchronization

/// The card whose video engine (NVDEC) decodes, through libavcodec's hwaccel `cuda`. Made once in a process:
/// its context costs some hundred milliseconds.
final class HardwareDevice: @unchecked Sendable {
    /// libav counts its references with atomics, so that any thread may take one.
    private let reference: UnsafeMutablePointer<AVBufferRef>

    private init(_ reference: UnsafeMutablePointer<AVBufferRef>) { self.reference = reference }

    deinit {
        var pointer: UnsafeMutablePointer<AVBufferRef>? = reference
        av_buffer_unref(&pointer)
    }

    enum Availability {
        case device(HardwareDevice)
        /// Why there is none.
        case missing(String)
    }

    private static let made = Mutex<Availability?>(nil)

    static func cuda() -> Availability {
        made.withLock { made in
            if let made { return made }
            let fresh = make()
            made = fresh
            return fresh
        }
    }

    private static func make() -> Availability {
        AV.silence()
        var reference: UnsafeMutablePointer<AVBufferRef>?
        let code = av_hwdevice_ctx_create(&reference, AV_HWDEVICE_TYPE_CUDA, nil, nil, 0)
        guard code >= 0, let reference else {
            return .missing("no CUDA device answers (\(AV.text(code)))")
        }
        return .device(HardwareDevice(reference))
    }

    /// Lets a decoder use the device. It falls back to the processor by itself where the engine refuses the
    /// stream.
    func attach(to context: UnsafeMutablePointer<AVCodecContext>) {
        context.pointee.hw_device_ctx = av_buffer_ref(reference)
    }

    /// The decoder that can use a CUDA device, if libavcodec has one whose result is certain.
    ///
    /// Only codecs whose decoding is specified to the last bit: with MPEG-1, 2 and 4 the inverse transform is
    /// not, and frames would depend on the machine that decoded them. AV1 would belong here; libavcodec 5.1
    /// got no frame of it from the card that it was tried on.
    static func decoder(for id: AVCodecID) -> UnsafePointer<AVCodec>? {
        let exact = [
            AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9,
        ]
        guard exact.contains(id) else { return nil }
        var position: UnsafeMutableRawPointer?
        while let codec = av_codec_iterate(&position) {
            // Decoders that are nothing but the engine number their frames in another way.
            guard codec.pointee.id == id, av_codec_is_decoder(codec) != 0,
                codec.pointee.capabilities & AV_CODEC_CAP_HARDWARE == 0
            else { continue }
            var number: Int32 = 0
            while let configuration = avcodec_get_hw_config(codec, number)?.pointee {
                if configuration.device_type == AV_HWDEVICE_TYPE_CUDA,
                    configuration.methods & Int32(AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0
                {
                    return codec
                }
                number += 1
            }
        }
        return nil
    }
}
