internal import CFFmpeg

/// What the presentation order of MPEG-1, 2 and 4 depends on.
enum PictureKind {
    /// Displayed when the next reference picture has been decoded.
    case reference
    /// A B picture: displayed at once.
    case bidirectional
    /// The parser could not tell, or the codec orders its pictures in another way.
    case unknown
}

/// Reads what the headers of each packet say of its picture.
final class HeaderParser {
    private let parser: UnsafeMutablePointer<AVCodecParserContext>
    private var codec: UnsafeMutablePointer<AVCodecContext>?

    private init?(_ parameters: UnsafePointer<AVCodecParameters>) {
        guard let parser = av_parser_init(Int32(parameters.pointee.codec_id.rawValue)) else {
            return nil
        }
        guard let codec = avcodec_alloc_context3(nil) else {
            av_parser_close(parser)
            return nil
        }
        avcodec_parameters_to_context(codec, parameters)
        parser.pointee.flags |= PARSER_FLAG_COMPLETE_FRAMES
        self.parser = parser
        self.codec = codec
    }

    deinit {
        av_parser_close(parser)
        avcodec_free_context(&codec)
    }

    /// For containers without presentation times; nil for codecs in which a B picture may be a reference.
    static func forKinds(
        _ parameters: UnsafePointer<AVCodecParameters>, container: String
    ) -> HeaderParser? {
        guard ["avi", "m4v", "mpegvideo"].contains(container) else { return nil }
        let codecs = [AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4]
        guard codecs.contains(parameters.pointee.codec_id), !isPacked(parameters) else {
            return nil
        }
        return HeaderParser(parameters)
    }

    /// For containers that may carry the two fields of an H.264 frame in packets of their own.
    static func forFields(
        _ parameters: UnsafePointer<AVCodecParameters>, container: String
    ) -> HeaderParser? {
        guard ["mpegts", "mpeg"].contains(container),
            parameters.pointee.codec_id == AV_CODEC_ID_H264
        else { return nil }
        return HeaderParser(parameters)
    }

    func kind(_ packet: borrowing Packet) -> PictureKind {
        parse(packet)
        switch AVPictureType(UInt32(max(0, parser.pointee.pict_type))) {
        case AV_PICTURE_TYPE_B: return .bidirectional
        case AV_PICTURE_TYPE_I, AV_PICTURE_TYPE_P, AV_PICTURE_TYPE_S: return .reference
        default: return .unknown
        }
    }

    func field(_ packet: borrowing Packet) -> FieldPairing.Structure {
        parse(packet)
        switch parser.pointee.picture_structure {
        case AV_PICTURE_STRUCTURE_TOP_FIELD: return .top
        case AV_PICTURE_STRUCTURE_BOTTOM_FIELD: return .bottom
        default: return .frame
        }
    }

    private func parse(_ packet: borrowing Packet) {
        var output: UnsafeMutablePointer<UInt8>?
        var size: Int32 = 0
        let raw = packet.raw.pointee
        av_parser_parse2(
            parser, codec, &output, &size, raw.data, raw.size, raw.pts, raw.dts, raw.pos)
    }

    /// DivX's packed bitstream puts two pictures in one packet and an empty one in the next: its user data
    /// ends in "p" ("DivX503b1393p").
    private static func isPacked(_ parameters: UnsafePointer<AVCodecParameters>) -> Bool {
        guard parameters.pointee.codec_id == AV_CODEC_ID_MPEG4,
            let data = parameters.pointee.extradata
        else { return false }
        let bytes = UnsafeBufferPointer(start: data, count: Int(parameters.pointee.extradata_size))
        let mark = Array("DivX".utf8)
        guard bytes.count > mark.count else { return false }
        for start in 0..<(bytes.count - mark.count)
        where bytes[start..<(start + mark.count)].elementsEqual(mark) {
            let text = bytes[start...].prefix { $0 > 0x20 && $0 < 0x7F }
            return text.last == UInt8(ascii: "p")
        }
        return false
    }
}

/// Finds the packets that hold the second field of a frame: the decoder gives one frame for both.
struct FieldPairing {
    enum Structure { case frame, top, bottom }

    private var first = Structure.frame

    /// Whether a picture completes the frame that the one before it began.
    mutating func isSecond(_ structure: Structure) -> Bool {
        let completes = first != .frame && structure != .frame && structure != first
        first = completes ? .frame : structure
        return completes
    }
}

extension FrameTable {
    /// Presentation order of a stream without times by picture kinds: a B picture at once, a reference
    /// picture when the next reference picture arrives.
    ///
    /// - Returns: false where a kind is unknown.
    mutating func order(by kinds: [PictureKind], frameRate: Double) -> Bool {
        guard kinds.count == entries.count, !kinds.contains(where: { $0 == .unknown }) else {
            return false
        }
        var order: [Int] = []
        order.reserveCapacity(entries.count)
        var held: Int?
        for (index, kind) in kinds.enumerated() {
            if kind == .bidirectional {
                order.append(index)
            } else {
                if let held { order.append(held) }
                held = index
            }
        }
        if let held { order.append(held) }
        // B pictures before the first key frame have lost a reference.
        if let first = keys.first {
            let position = order.firstIndex(of: first) ?? 0
            order.removeFirst(position)
            let rest = Set(order)
            for index in entries.indices where !rest.contains(index) {
                entries[index].isShown = false
            }
        }
        setOrder(order, frameRate: frameRate)
        return true
    }

    /// Ranks and evenly spaced times from an order that the container does not state.
    mutating func setOrder(_ order: [Int], frameRate: Double) {
        rank(order)
        hasOwnTimes = false
        timeBase = frameRate > 0 ? 1 / frameRate : 1.0 / 25
        lastDuration = 1
        var next: Int64 = 0
        for index in order {
            entries[index].pts = next
            next += 1
        }
        // Undisplayed packets sort with the frame before them.
        var last: Int64 = -1
        for index in entries.indices {
            if entries[index].rank < 0 {
                entries[index].pts = last
            } else {
                last = entries[index].pts
            }
        }
    }
}
