internal import CFFmpeg

/// Tells from a packet's headers whether other frames refer to its frame.
struct ReferenceCheck {
    private let codec: AVCodecID
    /// Bytes of the length before each NAL unit, 0 for start codes.
    private let lengthBytes: Int

    init(_ parameters: UnsafePointer<AVCodecParameters>) {
        codec = parameters.pointee.codec_id
        let bytes = UnsafeBufferPointer(
            start: parameters.pointee.extradata, count: Int(parameters.pointee.extradata_size))
        // ISO/IEC 14496-15: a configuration record begins with its version, 1.
        let place = codec == AV_CODEC_ID_H264 ? 4 : 21
        lengthBytes = bytes.first == 1 && bytes.count > place ? Int(bytes[place] & 3) + 1 : 0
    }

    /// - Returns: nil where the codec or the data does not say.
    func isReferenced(_ packet: AVPacket) -> Bool? {
        guard let data = packet.data else { return nil }
        let bytes = UnsafeBufferPointer(start: data, count: Int(packet.size))
        switch codec {
        case AV_CODEC_ID_H264:
            // nal_ref_idc of the first slice.
            return firstUnit(bytes) { (1...5).contains($0 & 0x1F) }.map { $0 >> 5 & 3 != 0 }
        case AV_CODEC_ID_HEVC:
            // Even types below 16 are not referred to within their temporal layer.
            return firstUnit(bytes) { $0 >> 1 & 0x3F < 32 }.map {
                let type = $0 >> 1 & 0x3F
                return type >= 16 || type & 1 == 1
            }
        case AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO:
            // picture_coding_type of the picture header: 3 is B.
            return startCode(0x00, in: bytes, extra: 2).map { bytes[$0 + 1] >> 3 & 7 != 3 }
        case AV_CODEC_ID_MPEG4:
            // vop_coding_type: 2 is B.
            return startCode(0xB6, in: bytes, extra: 1).map { bytes[$0] >> 6 != 2 }
        default:
            return nil
        }
    }

    /// The first byte of the first NAL unit that matches.
    private func firstUnit(
        _ bytes: UnsafeBufferPointer<UInt8>, where matches: (UInt8) -> Bool
    ) -> UInt8? {
        guard lengthBytes > 0 else {
            var index = 0
            while index + 3 < bytes.count {
                if bytes[index] == 0, bytes[index + 1] == 0, bytes[index + 2] == 1 {
                    if matches(bytes[index + 3]) { return bytes[index + 3] }
                    index += 3
                }
                index += 1
            }
            return nil
        }
        var index = 0
        while index + lengthBytes < bytes.count {
            let length = bytes[index..<(index + lengthBytes)].reduce(0) { $0 << 8 | Int($1) }
            guard length > 0 else { return nil }
            let header = bytes[index + lengthBytes]
            if matches(header) { return header }
            index += lengthBytes + length
        }
        return nil
    }

    /// The index behind a start code, with `extra` bytes to read there.
    private func startCode(
        _ code: UInt8, in bytes: UnsafeBufferPointer<UInt8>, extra: Int
    ) -> Int? {
        guard bytes.count >= 4 + extra else { return nil }
        return (0...(bytes.count - 4 - extra)).first {
            bytes[$0] == 0 && bytes[$0 + 1] == 0 && bytes[$0 + 2] == 1 && bytes[$0 + 3] == code
        }.map { $0 + 4 }
    }
}
