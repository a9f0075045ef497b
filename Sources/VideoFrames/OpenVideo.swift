internal import CFFmpeg

/// A video that has been opened, with the table of its frames.
final class OpenVideo {
    let file: RegularFile
    let limits: SamplingLimits
    let budget: Budget
    let container: String
    let codec: String
    let orientation: Orientation
    /// The lane that every other is a copy of.
    let lane: VideoLane
    private let streamIndex: Int
    let references: ReferenceCheck
    /// Decodes instead of the processor.
    private(set) var device: HardwareDevice?
    /// What became of a wish for hardware.
    private(set) var hardwareWarnings: [String] = []
    private(set) var table: FrameTable
    /// Whether the table came from the sample index and knows only the groups that were asked for.
    private(set) var isPartial: Bool
    private var scanPackets = 0

    init(
        path: String, limits: SamplingLimits, hardware: HardwareDecoding = .none
    ) throws(VideoError) {
        AV.silence()
        file = try RegularFile(path: path)
        self.limits = limits
        budget = Budget(limits.time)
        let demuxer = try Demuxer(file, limits: limits, budget: budget)
        let index = try StreamChoice.video(in: demuxer)
        demuxer.keepOnly(index)
        guard let stream = demuxer.stream(index), let parameters = stream.pointee.codecpar else {
            throw VideoError(code: .noVideoStream, path: path, message: "no video stream")
        }
        container = demuxer.container
        // The parameters go with the demuxer, which a scan may replace.
        let codecID = parameters.pointee.codec_id
        codec = AV.string(avcodec_get_name(codecID)) ?? "unknown"
        orientation = Orientation(matrix: zvl_display_matrix(stream))
        references = ReferenceCheck(parameters)
        streamIndex = index
        // The table is made on the processor: a card has no shorter way to the order of frames.
        let decoder = try Decoder(parameters, path: path, limits: limits)
        let indexed = FrameTable.indexed(demuxer, stream: index)
        isPartial = indexed != nil
        table = indexed ?? FrameTable(entries: [], timeBase: 1)
        lane = try VideoLane(
            PacketReader(demuxer, stream: index, limits: limits, budget: budget), decoder)
        if !isPartial { try scan() }
        try requireFrames()
        try choose(hardware, codecID)
    }

    var packetsRead: Int { lane.reader.packetsRead + scanPackets }

    /// Opens the file once more, for another thread to read and decode.
    func openLane() throws(VideoError) -> VideoLane {
        let demuxer = try Demuxer(file, limits: limits, budget: budget)
        demuxer.keepOnly(streamIndex)
        let reader = try PacketReader(
            demuxer, stream: streamIndex, limits: limits, budget: budget)
        let decoder = try makeDecoder(reader)
        return try VideoLane(reader, decoder)
    }

    /// Gives a lane another decoder.
    func renewDecoder(of lane: VideoLane) throws(VideoError) {
        lane.decoder = try makeDecoder(lane.reader)
    }

    /// Gives the video's own lane another decoder.
    ///
    /// - Parameter threads: as `Decoder` has them
    func renewDecoder(threads: Int = 1) throws(VideoError) {
        lane.decoder = try makeDecoder(lane.reader, threads: threads)
    }

    /// From now on the processor decodes.
    func leaveHardware(because reason: String) throws(VideoError) {
        device = nil
        hardwareWarnings.append("decoded by the processor instead of NVDEC: \(reason)")
        try renewDecoder()
    }

    /// All frames came from the processor although a card was there: libavcodec turns to it by itself where
    /// the engine lacks a profile.
    func noteRefusal(_ hardware: HardwareDecoding) {
        guard device != nil, hardware == .cuda else { return }
        hardwareWarnings.append("decoded by the processor instead of NVDEC: it refuses this stream")
    }

    private func choose(_ hardware: HardwareDecoding, _ codecID: AVCodecID) throws(VideoError) {
        guard hardware != .none else { return }
        let reason: String
        switch HardwareDevice.cuda() {
        case .device(let found) where HardwareDevice.decoder(for: codecID) != nil:
            device = found
            return try renewDecoder()
        case .device: reason = "\(codec) is not among the codecs that it is trusted with"
        case .missing(let why): reason = why
        }
        if hardware == .cuda {
            hardwareWarnings.append("decoded by the processor instead of NVDEC: \(reason)")
        }
    }

    private func makeDecoder(
        _ reader: borrowing PacketReader, threads: Int = 1
    ) throws(VideoError) -> Decoder {
        guard let parameters = reader.parameters else {
            throw VideoError(
                code: .unreadable, path: file.path,
                message: "the file changed while it was read: it has lost its video stream")
        }
        return try Decoder(
            parameters, path: file.path, limits: limits, threads: threads, device: device)
    }

    /// Chooses frames and makes sure that the table knows them and the first and last frame.
    ///
    /// - Parameter choose: ranks wanted of a given total. Called again if the index proves wrong.
    func locate(_ choose: (Int) -> [Int]) throws(VideoError) -> [Int] {
        let ranks = choose(table.total)
        return try learn(ranks) ? ranks : choose(table.total)
    }

    /// Makes sure that the table knows the frames of the given ranks and the first and last frame.
    ///
    /// - Returns: false if the index proved wrong: then the table was made anew from all packets, knows every
    ///   frame, and ranks that were chosen before mean nothing.
    func learn(_ ranks: [Int]) throws(VideoError) -> Bool {
        guard isPartial else { return true }
        let needed = Set(ranks).union([0, table.total - 1])
        if try table.resolve(ranks: Array(needed), reader: &lane.reader) { return true }
        isPartial = false
        try lane.reader.rewind()
        try scan()
        try requireFrames()
        return false
    }

    /// Builds the table by reading every packet, then finds the order of display.
    private func scan() throws(VideoError) {
        let warnings = table.warnings
        let scanned = try lane.reader.scan()
        table = scanned.table
        table.warnings = warnings + table.warnings
        scanPackets += table.entries.count
        try findOrder(scanned.pictures)
    }

    private func findOrder(_ pictures: [PictureKind]) throws(VideoError) {
        let rate = table.decodingRate ?? lane.reader.statedFrameRate
        if container == "avi" || SeekKind(container: container) == .none, !lane.decoder.isIntraOnly,
            table.entries.contains(where: { $0.statedPTS == AV.noPTS })
        {
            if !table.order(by: pictures, frameRate: rate) {
                try table.orderByDecoding(
                    reader: &lane.reader, decoder: lane.decoder, frameRate: rate)
            }
        } else if !table.orderByTime(isIntraOnly: lane.decoder.isIntraOnly) {
            if lane.decoder.isIntraOnly {
                let shown = table.entries.indices.filter { table.entries[$0].isShown }
                table.setOrder(shown, frameRate: rate)
            } else {
                try table.orderByDecoding(
                    reader: &lane.reader, decoder: lane.decoder, frameRate: rate)
            }
        }
    }

    private func requireFrames() throws(VideoError) {
        guard table.total > 0 else {
            let reasons = table.warnings.map { " (\($0))" }.joined()
            throw VideoError(
                code: .noFrames, path: file.path,
                message: "expected frames in the \(codec) stream, found none that can be shown"
                    + reasons)
        }
    }

    /// What the file is, given the first picture that was decoded.
    func facts(first picture: PictureFacts) -> VideoFacts {
        let last = table.milliseconds(rank: table.total - 1)
        let frame = table.frameMilliseconds
        let span = Double(table.total - 1)
        return VideoFacts(
            container: container, codec: codec, width: picture.width, height: picture.height,
            rotation: orientation.degrees,
            // A damaged clock may claim anything.
            durationMilliseconds: Int64(max(0, min(last + frame, 1e15)).rounded()),
            frameCount: table.total,
            framesPerSecond: last > 0 ? span * 1000 / last : (frame > 0 ? 1000 / frame : 0),
            pixelFormat: picture.pixelFormat, colorSpace: picture.colorSpace,
            colorRange: picture.colorRange, transfer: picture.transfer)
    }
}

/// What a decoded picture says of itself.
struct PictureFacts {
    /// Display size.
    let width: Int
    let height: Int
    let pixelFormat: String?
    let colorSpace: String?
    let colorRange: String?
    let transfer: String?

    init(_ picture: borrowing Picture, orientation: Orientation) {
        let frame = picture.raw.pointee
        let (width, height) = (Int(frame.width), Int(frame.height))
        self.width = orientation.transposes ? height : width
        self.height = orientation.transposes ? width : height
        pixelFormat = AV.string(av_get_pix_fmt_name(AVPixelFormat(frame.format)))
        colorSpace =
            frame.colorspace == AVCOL_SPC_UNSPECIFIED
            ? nil : AV.string(av_color_space_name(frame.colorspace))
        colorRange =
            frame.color_range == AVCOL_RANGE_UNSPECIFIED
            ? nil : AV.string(av_color_range_name(frame.color_range))
        transfer =
            frame.color_trc == AVCOL_TRC_UNSPECIFIED
            ? nil : AV.string(av_color_transfer_name(frame.color_trc))
    }
}
