internal import CFFmpeg

/// One reader and one decoder of a video. Lanes share nothing that changes: each thread has its own.
final class VideoLane {
    var reader: PacketReader
    let decoder: Decoder
    let packet: Packet
    let picture: Picture

    init(_ reader: consuming PacketReader, _ decoder: consuming Decoder) throws(VideoError) {
        packet = try Packet(for: reader.file.path)
        picture = try Picture(for: reader.file.path)
        self.reader = reader
        self.decoder = decoder
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

    mutating func add(_ other: DecodingRecord) {
        delivered.formUnion(other.delivered)
        seen.formUnion(other.seen)
        damagedFrames.formUnion(other.damagedFrames)
        lostPackets.formUnion(other.lostPackets)
        framesDecoded += other.framesDecoded
        framesNeeded += other.framesNeeded
    }
}

/// Where the decoded frames of one lane go.
protocol FrameSink: AnyObject {
    /// Called once for each rank that was wanted and decoded.
    func take(_ picture: borrowing Picture, rank: Int) throws(VideoError)
}
