internal import CFFmpeg

/// Turns decoded frames into packed RGB with the matrix and range that the frame states.
struct RGBConverter: ~Copyable {
    private let path: String
    private var scaler: UnsafeMutableRawPointer?
    private var key: Key?
    private let output: Picture

    /// What a scaler is built for. It is built again when a stream changes in the middle.
    private struct Key: Equatable {
        var width: Int32, height: Int32, format: Int32
        var matrix: Int32
        var isFullRange: Bool
        var outputWidth: Int32, outputHeight: Int32
    }

    init(path: String) throws(VideoError) {
        self.path = path
        output = try Picture(for: path)
    }

    deinit { zvl_scaler_free(scaler) }

    /// Converts at the frame's own size, or scales to another with bicubic interpolation.
    ///
    /// - Returns: the result's first row and bytes a row, valid until the next call.
    mutating func convert(
        _ picture: borrowing Picture, width: Int? = nil, height: Int? = nil
    ) throws(VideoError) -> (rows: UnsafePointer<UInt8>, stride: Int) {
        let frame = picture.raw.pointee
        let wanted = Key(
            width: frame.width, height: frame.height, format: frame.format,
            matrix: Self.matrix(frame), isFullRange: Self.isFullRange(frame),
            outputWidth: width.map(Int32.init) ?? frame.width,
            outputHeight: height.map(Int32.init) ?? frame.height)
        if wanted != key { try build(wanted) }
        let code = zvl_scaler_run(scaler, output.raw, picture.raw)
        guard code >= 0, let rows = output.raw.pointee.data.0 else {
            throw VideoError(
                code: .decode, path: path, message: "colour conversion failed: \(AV.text(code))")
        }
        return (UnsafePointer(rows), Int(output.raw.pointee.linesize.0))
    }

    private mutating func build(_ wanted: Key) throws(VideoError) {
        key = nil
        zvl_scaler_free(scaler)
        scaler = zvl_scaler_make(
            wanted.width, wanted.height, wanted.format, wanted.outputWidth, wanted.outputHeight,
            wanted.matrix, wanted.isFullRange ? 1 : 0)
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
