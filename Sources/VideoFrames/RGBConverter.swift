internal import CFFmpeg

/// Turns decoded frames into packed RGB with the matrix and range that the frame states.
final class RGBConverter {
    private let path: String
    private var scaler: UnsafeMutableRawPointer?
    private var key: Key?
    private let output: Picture
    /// The part of a picture that is wanted, by reference to its memory.
    private let view: Picture

    /// What a scaler is built for. It is built again when a stream changes in the middle.
    private struct Key: Equatable {
        var width: Int32, height: Int32, format: Int32
        var matrix: Int32
        var isFullRange: Bool
        var outputWidth: Int32, outputHeight: Int32
        var kind: Int32
    }

    init(path: String) throws(VideoError) {
        self.path = path
        output = try Picture(for: path)
        view = try Picture(for: path)
    }

    deinit { zvl_scaler_free(scaler) }

    /// Converts an area of the stored picture at its own size.
    ///
    /// - Returns: the area's first row and bytes a row, valid until the next call.
    func convert(
        _ picture: borrowing Picture, _ area: PixelArea
    ) throws(VideoError) -> (rows: UnsafePointer<UInt8>, stride: Int) {
        let covered = Self.cover(area, of: picture.raw.pointee)
        view.clear()
        defer { view.clear() }
        var code = av_frame_ref(view.raw, picture.raw)
        if code >= 0, covered.left + covered.top + covered.right + covered.bottom > 0 {
            view.raw.pointee.crop_left = covered.left
            view.raw.pointee.crop_top = covered.top
            view.raw.pointee.crop_right = covered.right
            view.raw.pointee.crop_bottom = covered.bottom
            code = av_frame_apply_cropping(view.raw, Int32(AV_FRAME_CROP_UNALIGNED))
        }
        guard code >= 0 else { throw failure(code) }
        let (width, height) = (view.raw.pointee.width, view.raw.pointee.height)
        let (rows, stride) = try run(
            view, width: width, height: height, zvl_scaler_bilinear())
        let left = area.columns.lowerBound - covered.left
        return (rows + (area.rows.lowerBound - covered.top) * stride + left * 3, stride)
    }

    /// What the frame's matrix and range make of its values.
    static func coefficients(_ frame: AVFrame) -> zvl_matrix {
        zvl_matrix_make(sws_getCoefficients(matrix(frame)), isFullRange(frame) ? 1 : 0)
    }

    /// Scales the whole picture.
    ///
    /// - Parameter averaging: a smaller picture's pixels are the means of what they cover, which takes half
    ///   the time; else the interpolation is bicubic
    /// - Returns: the result's first row and bytes a row, valid until the next call.
    func scale(
        _ picture: borrowing Picture, width: Int, height: Int, averaging: Bool
    ) throws(VideoError) -> (rows: UnsafePointer<UInt8>, stride: Int) {
        let isSmaller =
            width < Int(picture.raw.pointee.width) && height < Int(picture.raw.pointee.height)
        return try run(
            picture, width: Int32(width), height: Int32(height),
            averaging && isSmaller ? zvl_scaler_area() : zvl_scaler_bicubic())
    }

    private func run(
        _ picture: borrowing Picture, width: Int32, height: Int32, _ kind: Int32
    ) throws(VideoError) -> (rows: UnsafePointer<UInt8>, stride: Int) {
        let frame = picture.raw.pointee
        let wanted = Key(
            width: frame.width, height: frame.height, format: frame.format,
            matrix: Self.matrix(frame), isFullRange: Self.isFullRange(frame),
            outputWidth: width, outputHeight: height, kind: kind)
        if wanted != key { try build(wanted) }
        let code = zvl_scaler_run(scaler, output.raw, picture.raw)
        guard code >= 0, let rows = output.raw.pointee.data.0 else { throw failure(code) }
        return (UnsafePointer(rows), Int(output.raw.pointee.linesize.0))
    }

    private func failure(_ code: Int32) -> VideoError {
        VideoError(
            code: .decode, path: path, message: "colour conversion failed: \(AV.text(code))")
    }

    /// What to cut off a picture so that an area of it is converted as with the whole: chroma is interpolated
    /// between neighbours, and vector code wants its columns aligned.
    private static func cover(
        _ area: PixelArea, of frame: AVFrame
    ) -> (left: Int, top: Int, right: Int, bottom: Int) {
        let (width, height) = (Int(frame.width), Int(frame.height))
        guard let format = av_pix_fmt_desc_get(AVPixelFormat(frame.format))?.pointee else {
            return (0, 0, 0, 0)
        }
        let special = UInt64(
            AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_PAL)
        // The scaler spreads the chroma of an odd picture over all of it, so that a part would shift.
        let isEven =
            width % (1 << Int(format.log2_chroma_w)) == 0
            && height % (1 << Int(format.log2_chroma_h)) == 0
        guard format.flags & UInt64(AV_PIX_FMT_FLAG_PLANAR) != 0, format.flags & special == 0,
            isEven
        else { return (0, 0, 0, 0) }
        let margin = 8
        let left = max(0, area.columns.lowerBound - margin) / 64 * 64
        let top = max(0, area.rows.lowerBound - margin) / 16 * 16
        let right = min(width, (area.columns.upperBound + margin + 63) / 64 * 64)
        let bottom = min(height, (area.rows.upperBound + margin + 15) / 16 * 16)
        return (left, top, width - right, height - bottom)
    }

    private func build(_ wanted: Key) throws(VideoError) {
        key = nil
        zvl_scaler_free(scaler)
        scaler = zvl_scaler_make(
            wanted.width, wanted.height, wanted.format, wanted.outputWidth, wanted.outputHeight,
            wanted.kind, wanted.matrix, wanted.isFullRange ? 1 : 0)
        guard scaler != nil else {
            let name = AV.string(av_get_pix_fmt_name(AVPixelFormat(wanted.format)))
            throw VideoError(
                code: .decode, path: path,
                message: "no conversion from \(name ?? "an unknown format") to RGB")
        }
        output.clear()
        output.raw.pointee.width = wanted.outputWidth
        output.raw.pointee.height = wanted.outputHeight
        output.raw.pointee.format = AV_PIX_FMT_RGB24.rawValue
        let code = av_frame_get_buffer(output.raw, 0)
        guard code >= 0 else { throw .outOfMemory(path, "a converted frame") }
        key = wanted
    }

    /// Unstated coefficients are BT.601, as every other reader takes them.
    private static func matrix(_ frame: AVFrame) -> Int32 {
        switch frame.colorspace {
        case AVCOL_SPC_BT709: SWS_CS_ITU709
        case AVCOL_SPC_FCC: SWS_CS_FCC
        case AVCOL_SPC_SMPTE240M: SWS_CS_SMPTE240M
        case AVCOL_SPC_BT2020_NCL, AVCOL_SPC_BT2020_CL: SWS_CS_BT2020
        default: SWS_CS_ITU601
        }
    }

    private static func isFullRange(_ frame: AVFrame) -> Bool {
        if frame.color_range == AVCOL_RANGE_JPEG { return true }
        switch AVPixelFormat(frame.format) {
        case AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUVJ440P,
            AV_PIX_FMT_YUVJ411P:
            return true
        default: break
        }
        // Grey pictures without a stated range are photographs and scans, not video.
        let format = av_pix_fmt_desc_get(AVPixelFormat(frame.format))
        let components = format?.pointee.nb_components ?? 3
        return components <= 2 && frame.color_range != AVCOL_RANGE_MPEG
    }
}
