internal import CFFmpeg

/// One reader and one decoder of a video. Lanes share nothing that changes: each thread has its own.
final class VideoLane {
    var reader: PacketReader
    var decoder: Decoder { didSet { hasDecoded = false } }
    let packet: Packet
    let picture: Picture
    /// A picture that was brought from the card's memory.
    private let fetched: Picture
    /// Whether the decoder has met packets.
    private(set) var hasDecoded = false

    init(_ reader: consuming PacketReader, _ decoder: consuming Decoder) throws(VideoError) {
        packet = try Packet(for: reader.file.path)
        picture = try Picture(for: reader.file.path)
        fetched = try Picture(for: reader.file.path)
        self.reader = reader
        self.decoder = decoder
    }

    /// Makes the decoder ready for a key packet, and as if it had met nothing before: what one group's damage
    /// leaves behind must not reach another, or the result would depend on which lane met what.
    ///
    /// - Returns: whether the first packet must bring the stream's configuration
    func restart(_ video: OpenVideo) throws(VideoError) -> Bool {
        let used = hasDecoded
        if used, decoder.memory == .configuration { try video.renewDecoder(of: self) }
        decoder.flush()
        hasDecoded = true
        return used && decoder.memory == .parameterSets
    }

    /// Puts the parameter sets that the container states before those that packets brought.
    func attachConfiguration() {
        guard let parameters = reader.parameters?.pointee, parameters.extradata_size > 0,
            let data = parameters.extradata,
            let place = av_packet_new_side_data(
                packet.raw, AV_PKT_DATA_NEW_EXTRADATA, Int(parameters.extradata_size))
        else { return }
        place.update(from: data, count: Int(parameters.extradata_size))
    }

    /// Hands the decoder's last picture on, from the card's memory if it is there.
    ///
    /// - Returns: whether it was decoded there
    func deliver(to sink: any FrameSink, rank: Int) throws(VideoError) -> Bool {
        guard picture.raw.pointee.format == AV_PIX_FMT_CUDA.rawValue else {
            try sink.take(picture, rank: rank)
            return false
        }
        fetched.clear()
        var code = av_hwframe_transfer_data(fetched.raw, picture.raw, 0)
        if code >= 0 { code = av_frame_copy_props(fetched.raw, picture.raw) }
        guard code >= 0 else {
            throw VideoError(
                code: .decode, path: reader.file.path,
                message: "a frame could not be fetched from the card: \(AV.text(code))")
        }
        try sink.take(fetched, rank: rank)
        return true
    }
}

/// What happened in one or more passes of the decoder.
struct DecodingRecord {
    /// Ranks of wanted frames that came out.
    var delivered = Set<Int>()
    /// Every rank that came out whole or with concealed damage, wanted or not.
    var seen = Set<Int>()
    /// Those of them with concealed damage.
    var damagedFrames = Set<Int>()
    /// Decoding indices of packets that the decoder refused.
    var lostPackets = Set<Int>()
    var framesDecoded = 0
    var framesNeeded = 0
    /// Delivered frames that a card decoded.
    var inHardware = 0
    /// Errors of the decoder that belong to no packet.
    var failures = 0

    /// Whether nothing is missing, doubtful or damaged.
    var isClean: Bool { failures == 0 && lostPackets.isEmpty && damagedFrames.isEmpty }

    mutating func add(_ other: DecodingRecord) {
        delivered.formUnion(other.delivered)
        seen.formUnion(other.seen)
        damagedFrames.formUnion(other.damagedFrames)
        lostPackets.formUnion(other.lostPackets)
        framesDecoded += other.framesDecoded
        framesNeeded += other.framesNeeded
        inHardware += other.inHardware
        failures += other.failures
    }
}

/// Where the decoded frames of one lane go.
protocol FrameSink: AnyObject {
    /// Called once for each rank that was wanted and decoded.
    func take(_ picture: borrowing Picture, rank: Int) throws(VideoError)
}
