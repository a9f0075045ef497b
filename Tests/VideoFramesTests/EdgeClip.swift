import Testing

@testable import VideoFrames

/// A file of the edge corpus from which any frame must come out exactly, without a warning.
struct EdgeClip: Sendable, CustomTestStringConvertible {
    var file: String
    var total: Int
    /// Index, in the recording the file was cut from, of its first displayed frame.
    var base = 0
    /// The recording's length where the file joins it to itself.
    var period = Int.max
    var fps = 30.0

    var testDescription: String { file }

    /// The bar code that the frame of an index must show.
    func code(of index: Int) -> Int { (index + base) % period }

    /// Totals follow from what the corpus was made with.
    static func all(of variant: EdgeVariant) -> [EdgeClip] {
        let (total, third, few) = (variant.frames, variant.third, variant.frames * 2 / 15)
        return whole.map { EdgeClip(file: $0, total: total) }
            + thirds.map { EdgeClip(file: $0, total: third) }
            + [
                EdgeClip(file: "anim.gif", total: few, fps: hundredthsRate(few)),
                EdgeClip(file: "h264_vfr.mp4", total: total, fps: unevenRate(total, third)),
                EdgeClip(file: "h264_editlist.mp4", total: total - few, base: few),
                EdgeClip(file: "clock_restart.ts", total: 2 * total, period: total),
                // Fewer frames than asked for.
                EdgeClip(file: "image.png", total: 1, fps: 25),
                EdgeClip(file: "image.jpg", total: 1, fps: 25),
                EdgeClip(file: "one_frame.mp4", total: 1),
                EdgeClip(file: "two_frames.mp4", total: 2),
                EdgeClip(file: "ten_frames.mp4", total: 10),
            ]
    }

    /// 30 frames a second by a GIF's clock, which counts hundredths of a second.
    private static func hundredthsRate(_ total: Int) -> Double {
        Double(total - 1) / ((Double(total - 1) * 100 / 30).rounded() / 100)
    }

    /// A third at 30, a third at 5, the rest at 60 frames a second.
    private static func unevenRate(_ total: Int, _ third: Int) -> Double {
        let last = Double(third) / 30 + Double(third) / 5 + Double(total - 1 - 2 * third) / 60
        return Double(total - 1) / last
    }

    private static let whole = [
        // Reference structures and codecs.
        "h264_bframes.mp4", "h264_opengop.mp4", "hevc_opengop.mp4", "h264_intra_refresh.mp4",
        "h264_10bit.mp4", "hevc_10bit_hdr.mp4", "vp9_altref.webm", "vp8.webm", "av1.mp4",
        "mpeg2.mpg", "h264_sar.mp4",
        // No presentation times; B pictures in the packets of others.
        "mpeg4_bframes.avi", "h264.avi", "h264_raw.h264", "mpeg4_packedb.avi",
        // Containers and clocks.
        "h264.ts", "h264.mkv", "h264.flv", "h264_no_keys.mp4", "h264_no_keys_p.mp4",
        "h264_frag.mp4", "h264_frag_sidx.mp4", "h264_bigts.ts", "h264_wrap.ts", "h264_start5.mp4",
        "h264_start5.mkv", "audio_longer.mp4", "audio_longer.mkv", "cover_first.mp4",
        "two_video.mkv",
    ]
    private static let thirds = [
        "hevc_layers.mp4", "h264_yuv444.mp4", "h264_fullrange.mp4", "h264_interlaced.mp4",
        "odd_size.mp4", "vp8_altref.webm", "av1_show_existing.mp4", "mjpeg.avi",
    ]
}
