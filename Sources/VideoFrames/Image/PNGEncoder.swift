internal import CFFmpeg

/// libavcodec's PNG encoder, for one picture.
struct PNGEncoder: ~Copyable {
    private let context: UnsafeMutablePointer<AVCodecContext>
    private let path: String

    /// - Parameters:
    ///   - rgb: [height, width, 3], row-major
    ///   - path: where the picture will go, for messages
    static func encode(
        rgb: [UInt8], width: Int, height: Int, for path: String
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
        return try PNGEncoder(width: width, height: height, path: path).encode(rgb)
    }

    private init(width: Int, height: Int, path: String) throws(ImageError) {
        context = try Self.open(width: Int32(width), height: Int32(height), path)
        self.path = path
    }

    private static func open(
        width: Int32, height: Int32, _ path: String
    ) throws(ImageError) -> UnsafeMutablePointer<AVCodecContext> {
        AV.silence()
        guard let codec = avcodec_find_encoder(AV_CODEC_ID_PNG) else {
            throw ImageError(path, "this build of libavcodec has no PNG encoder")
        }
        guard let context = avcodec_alloc_context3(codec) else {
            throw ImageError(path, "out of memory: no room for a PNG encoder")
        }
        context.pointee.width = width
        context.pointee.height = height
        context.pointee.pix_fmt = AV_PIX_FMT_RGB24
        context.pointee.time_base = AVRational(num: 1, den: 1)
        // With frame threads the packet of a single picture would come late.
        context.pointee.thread_count = 1
        // The filter that suits each row makes smaller files than none, the default.
        var options: OpaquePointer?
        av_dict_set(&options, "pred", "mixed", 0)
        defer { av_dict_free(&options) }
        let code = avcodec_open2(context, codec, &options)
        guard code >= 0 else {
            var pointer: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&pointer)
            throw ImageError(path, "the PNG encoder does not start: \(AV.text(code))")
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
            throw ImageError(path, "could not be made into a PNG: \(error)")
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
        picture.raw.pointee.format = AV_PIX_FMT_RGB24.rawValue
        let code = av_frame_get_buffer(picture.raw, 0)
        guard code >= 0, let rows = picture.raw.pointee.data.0 else { throw failure(code) }
        let width = Int(context.pointee.width) * 3
        let stride = Int(picture.raw.pointee.linesize.0)
        rgb.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            for row in 0..<Int(context.pointee.height) {
                (rows + row * stride).update(from: base + row * width, count: width)
            }
        }
    }

    private func failure(_ code: Int32) -> ImageError {
        ImageError(path, "could not be made into a PNG: \(AV.text(code))")
    }
}
