internal import CFFmpeg

/// libavcodec's encoders of still pictures, for one picture.
struct PictureEncoder: ~Copyable {
    enum Format: String {
        case png = "PNG"
        /// Small, and not exact: for thumbnails.
        case jpeg = "JPEG"
    }

    private let context: UnsafeMutablePointer<AVCodecContext>
    private let format: Format
    private let path: String

    /// - Parameters:
    ///   - rgb: [height, width, 3], row-major
    ///   - path: where the picture will go, for messages
    static func encode(
        rgb: [UInt8], width: Int, height: Int, as format: Format, for path: String
    ) throws(ImageError) -> [UInt8] {
        guard (1...65535).contains(width), (1...65535).contains(height) else {
            throw ImageError(
                path, "expected a picture of 1 to 65535 pixels a side, found \(width) x \(height)")
        }
        guard rgb.count == width * height * 3 else {
            throw ImageError(
                path,
                "expected \(width * height * 3) bytes for \(width) x \(height) pixels, found "
                    + "\(rgb.count)")
        }
        return try PictureEncoder(width: width, height: height, format: format, path: path)
            .encode(rgb)
    }

    private init(
        width: Int, height: Int, format: Format, path: String
    ) throws(ImageError) {
        context = try Self.open(width: Int32(width), height: Int32(height), format, path)
        self.format = format
        self.path = path
    }

    private static func open(
        width: Int32, height: Int32, _ format: Format, _ path: String
    ) throws(ImageError) -> UnsafeMutablePointer<AVCodecContext> {
        AV.silence()
        let id = format == .png ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG
        guard let codec = avcodec_find_encoder(id) else {
            throw ImageError(path, "this build of libavcodec has no \(format.rawValue) encoder")
        }
        guard let context = avcodec_alloc_context3(codec) else {
            throw ImageError(path, "out of memory: no room for a \(format.rawValue) encoder")
        }
        context.pointee.width = width
        context.pointee.height = height
        context.pointee.pix_fmt = format == .png ? AV_PIX_FMT_RGB24 : AV_PIX_FMT_YUV444P
        context.pointee.time_base = AVRational(num: 1, den: 1)
        // With frame threads the packet of a single picture would come late.
        context.pointee.thread_count = 1
        // The filter that suits each row makes smaller files than none, the default.
        var options: OpaquePointer?
        switch format {
        case .png: av_dict_set(&options, "pred", "mixed", 0)
        case .jpeg:
            context.pointee.color_range = AVCOL_RANGE_JPEG
            context.pointee.flags |= AV_CODEC_FLAG_QSCALE
            context.pointee.global_quality = 5 * FF_QP2LAMBDA
        }
        defer { av_dict_free(&options) }
        let code = avcodec_open2(context, codec, &options)
        guard code >= 0 else {
            var pointer: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&pointer)
            throw ImageError(
                path, "the \(format.rawValue) encoder does not start: \(AV.text(code))")
        }
        return context
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&pointer)
    }

    private func encode(_ rgb: [UInt8]) throws(ImageError) -> [UInt8] {
        do {
            return try encode(rgb, Picture(for: path), Packet(for: path))
        } catch let error as VideoError {
            throw ImageError(path, error.message)
        } catch let error as ImageError {
            throw error
        } catch {
            throw ImageError(path, "could not be made into a \(format.rawValue): \(error)")
        }
    }

    private func encode(
        _ rgb: [UInt8], _ picture: borrowing Picture, _ packet: borrowing Packet
    ) throws(ImageError) -> [UInt8] {
        try fill(picture, with: rgb)
        // The empty frame says that no other follows.
        for frame in [picture.raw, nil] {
            let code = avcodec_send_frame(context, frame)
            guard code >= 0 else { throw failure(code) }
        }
        let code = avcodec_receive_packet(context, packet.raw)
        guard code >= 0, let data = packet.raw.pointee.data else { throw failure(code) }
        return Array(UnsafeBufferPointer(start: data, count: Int(packet.raw.pointee.size)))
    }

    private func fill(_ picture: borrowing Picture, with rgb: [UInt8]) throws(ImageError) {
        picture.raw.pointee.width = context.pointee.width
        picture.raw.pointee.height = context.pointee.height
        picture.raw.pointee.format = context.pointee.pix_fmt.rawValue
        picture.raw.pointee.color_range = context.pointee.color_range
        picture.raw.pointee.quality = context.pointee.global_quality
        let code = av_frame_get_buffer(picture.raw, 0)
        guard code >= 0 else { throw failure(code) }
        switch format {
        case .png: fillRows(picture, with: rgb)
        case .jpeg: fillPlanes(picture, with: rgb)
        }
    }

    private func fillRows(_ picture: borrowing Picture, with rgb: [UInt8]) {
        guard let rows = picture.raw.pointee.data.0 else { return }
        let width = Int(context.pointee.width) * 3
        let stride = Int(picture.raw.pointee.linesize.0)
        rgb.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            for row in 0..<Int(context.pointee.height) {
                (rows + row * stride).update(from: base + row * width, count: width)
            }
        }
    }

    /// Luma and chroma of JFIF 1.02: BT.601 over the full range.
    private func fillPlanes(_ picture: borrowing Picture, with rgb: [UInt8]) {
        let (data, strides) = (picture.raw.pointee.data, picture.raw.pointee.linesize)
        guard let luma = data.0, let blue = data.1, let red = data.2 else { return }
        func byte(_ value: Double) -> UInt8 { UInt8(min(max(value.rounded(), 0), 255)) }
        let width = Int(context.pointee.width)
        for y in 0..<Int(context.pointee.height) {
            for x in 0..<width {
                let place = (y * width + x) * 3
                let (r, g, b) = (
                    Double(rgb[place]), Double(rgb[place + 1]), Double(rgb[place + 2])
                )
                luma[y * Int(strides.0) + x] = byte(0.299 * r + 0.587 * g + 0.114 * b)
                blue[y * Int(strides.1) + x] = byte(
                    128 - 0.168736 * r - 0.331264 * g + 0.5 * b)
                red[y * Int(strides.2) + x] = byte(
                    128 + 0.5 * r - 0.418688 * g - 0.081312 * b)
            }
        }
    }

    private func failure(_ code: Int32) -> ImageError {
        ImageError(path, "could not be made into a \(format.rawValue): \(AV.text(code))")
    }
}
