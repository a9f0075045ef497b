internal import CFFmpeg

/// Owns an open container.
struct Demuxer: ~Copyable {
    let file: RegularFile
    let context: UnsafeMutablePointer<AVFormatContext>
    private let budget: Budget

    /// Opens the file and reads as much as is needed to know its streams.
    init(_ file: RegularFile, limits: SamplingLimits, budget: Budget) throws(VideoError) {
        let path = file.path
        guard let allocated = avformat_alloc_context() else {
            throw .outOfMemory(path, "a container")
        }
        allocated.pointee.interrupt_callback = budget.interruptCallback
        var options: OpaquePointer?
        // A file may name others (playlists, external tracks): only local files, and no patterns in names.
        av_dict_set(&options, "protocol_whitelist", "file", 0)
        av_dict_set(&options, "pattern_type", "none", 0)
        var opened: UnsafeMutablePointer<AVFormatContext>? = allocated
        // The prefix keeps a name like "pipe:0" or "http:x" from being read as an address.
        let code = avformat_open_input(&opened, "file:" + path, nil, &options)
        av_dict_free(&options)
        guard code >= 0, let context = opened else {
            // On failure libav has freed the context.
            throw Self.openingError(code, file)
        }
        let name = AV.string(context.pointee.iformat?.pointee.name) ?? ""
        if let refusal = Self.refusal(container: name, file) {
            avformat_close_input(&opened)
            throw refusal
        }
        if !Self.describesItself(name, context) {
            Self.describeStreams(context, limits)
            if budget.isSpent {
                avformat_close_input(&opened)
                throw .timedOut(path, "reading the header")
            }
        }
        self.file = file
        self.context = context
        self.budget = budget
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&pointer)
    }

    /// libavformat's name: a list for demuxers of several kinds.
    var container: String { AV.string(context.pointee.iformat?.pointee.name) ?? "" }
    var isISOMedia: Bool { container.hasPrefix("mov,") }

    func stream(_ index: Int) -> UnsafeMutablePointer<AVStream>? {
        guard index >= 0, index < Int(context.pointee.nb_streams) else { return nil }
        return context.pointee.streams[index]
    }

    /// Lets the demuxer skip everything but one stream.
    func keepOnly(_ index: Int) {
        for other in 0..<Int(context.pointee.nb_streams) {
            stream(other)?.pointee.discard = other == index ? AVDISCARD_DEFAULT : AVDISCARD_ALL
        }
    }

    func read(into packet: borrowing Packet) -> Int32 {
        packet.clear()
        return av_read_frame(context, packet.raw)
    }

    /// Reads ahead, and decodes where that is needed, to learn what the streams are. A picture that expands
    /// beyond the limit is not decoded here either.
    private static func describeStreams(
        _ context: UnsafeMutablePointer<AVFormatContext>, _ limits: SamplingLimits
    ) {
        var options = [OpaquePointer?](
            repeating: nil, count: Int(context.pointee.nb_streams))
        for index in options.indices {
            av_dict_set_int(&options[index], "max_pixels", Int64(limits.pixels), 0)
        }
        // What is missing afterwards shows when the decoder is opened.
        _ = avformat_find_stream_info(context, &options)
        for index in options.indices { av_dict_free(&options[index]) }
    }

    /// MP4 and Matroska state size and decoder configuration: reading packets to guess them would cost
    /// 7 to 40 ms per opening. Stream formats state nothing.
    private static func describesItself(
        _ container: String, _ context: UnsafeMutablePointer<AVFormatContext>
    ) -> Bool {
        guard container.hasPrefix("mov,") || container.hasPrefix("matroska") else { return false }
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let parameters = context.pointee.streams[index]?.pointee.codecpar else {
                return false
            }
            guard parameters.pointee.codec_type == AVMEDIA_TYPE_VIDEO else { continue }
            let needsConfiguration = [
                AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG4,
            ].contains(parameters.pointee.codec_id)
            let isDescribed =
                parameters.pointee.codec_id != AV_CODEC_ID_NONE && parameters.pointee.width > 0
                && parameters.pointee.height > 0
                && (!needsConfiguration || parameters.pointee.extradata_size > 0)
            if !isDescribed { return false }
        }
        return true
    }

    /// Playlists would open other files, and the text demuxer draws any text as a video.
    private static func refusal(container: String, _ file: RegularFile) -> VideoError? {
        guard ["hls", "dash", "concat", "tty", "ffmetadata"].contains(container) else { return nil }
        return VideoError(
            code: .notAVideo, path: file.path,
            message: "expected a video, found a list or text (\(container))")
    }

    private static func openingError(_ code: Int32, _ file: RegularFile) -> VideoError {
        if code == AV.interrupted { return .timedOut(file.path, "opening the file") }
        let boxes = TopLevelBoxes(file)
        let isCutOff = !boxes.hasIndex || boxes.types.last == "moov" && boxes.missingBytes > 0
        guard boxes.isISOMedia, isCutOff, !boxes.isFragmented else {
            return VideoError(
                code: .notAVideo, path: file.path,
                message: "expected a video, found \(file.size) bytes of no known format "
                    + "(\(AV.text(code)))")
        }
        let found = boxes.types.joined(separator: " ")
        let missing = boxes.missingBytes > 0 ? ", \(boxes.missingBytes) bytes are missing" : ""
        return VideoError(
            code: .moovMissing, path: file.path,
            message: (boxes.hasIndex ? "the moov atom is incomplete" : "no moov atom")
                + ": the file was cut off before its index was written (found \(found)\(missing))")
    }
}
