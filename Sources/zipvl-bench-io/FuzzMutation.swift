/// The ways in which a file is damaged.
enum FuzzMutation: String, CaseIterable {
    case fewBits = "few_bits"
    case manyBits = "many_bits"
    /// Telling values (0, 1, the largest of a sign) near the start or the end, where tables stand.
    case header
    case zeros
    case noise
    case cutStart = "cut_start"
    case cutMiddle = "cut_middle"
    case cutEnd = "cut_end"
    /// A piece of the file stands in another place as well, or in place of another.
    case spliceOwn = "splice_own"
    case spliceOther = "splice_other"
    /// Boxes of ISO media; packets of transport streams.
    case structure
    /// Two or three of the others.
    case several

    /// - Parameters:
    ///   - data: not empty
    ///   - other: a file to take pieces from
    func apply(to data: inout [UInt8], other: [UInt8], _ random: inout FuzzRandom) {
        guard !data.isEmpty else { return }
        let count = data.count
        switch self {
        case .fewBits: Self.flip(1 + random.below(8), in: &data, &random)
        case .manyBits: Self.flip(64 + random.below(4096), in: &data, &random)
        case .header:
            let reach = min(count, 64 << random.below(8))
            let isStart = random.below(3) > 0
            for _ in 0...random.below(8) {
                let offset = random.below(reach)
                data[isStart ? offset : count - 1 - offset] =
                    [0, 1, 0x7F, 0x80, 0xFF, UInt8(random.below(256))][random.below(6)]
            }
        case .zeros:
            for index in random.piece(of: count, longest: count / 2) { data[index] = 0 }
        case .noise:
            for index in random.piece(of: count, longest: count / 8) {
                data[index] = UInt8(truncatingIfNeeded: random.next())
            }
        case .cutStart: data.removeFirst(random.below(count))
        case .cutMiddle: data.removeSubrange(random.piece(of: count, longest: count / 2))
        case .cutEnd: data.removeLast(random.below(count))
        case .spliceOwn: Self.splice(data, into: &data, &random)
        case .spliceOther: Self.splice(other, into: &data, &random)
        case .structure:
            if FuzzBoxes.isISOMedia(data) {
                FuzzBoxes.damage(&data, &random)
            } else if FuzzPackets.isTransportStream(data) {
                FuzzPackets.damage(&data, &random)
            } else {
                Self.fewBits.apply(to: &data, other: other, &random)
                Self.spliceOwn.apply(to: &data, other: other, &random)
            }
        case .several:
            let others = Self.allCases.dropLast()
            for _ in 0...(1 + random.below(2)) {
                others[random.below(others.count)].apply(to: &data, other: other, &random)
            }
        }
    }

    private static func flip(_ bits: Int, in data: inout [UInt8], _ random: inout FuzzRandom) {
        for _ in 0..<bits { data[random.below(data.count)] ^= 1 << UInt8(random.below(8)) }
    }

    private static func splice(
        _ source: [UInt8], into data: inout [UInt8], _ random: inout FuzzRandom
    ) {
        guard !source.isEmpty else { return }
        let piece = source[random.piece(of: source.count, longest: source.count / 2)]
        let place = random.below(data.count)
        let replaced = random.below(2) == 0 ? 0 : min(piece.count, data.count - place)
        data.replaceSubrange(place..<(place + replaced), with: piece)
    }
}

/// Packets of an MPEG transport stream are 188 bytes and begin with 0x47.
enum FuzzPackets {
    private static let size = 188

    static func isTransportStream(_ data: [UInt8]) -> Bool {
        data.count >= 4 * size && (0..<4).allSatisfy { data[$0 * size] == 0x47 }
    }

    static func damage(_ data: inout [UInt8], _ random: inout FuzzRandom) {
        for _ in 0...random.below(12) {
            let packets = data.count / size
            guard packets > 1 else { return }
            let one = random.below(packets) * size
            let range = one..<(one + size)
            switch random.below(5) {
            case 0: data.removeSubrange(range)
            case 1: data.insert(contentsOf: data[range], at: random.below(packets) * size)
            case 2:
                let other = random.below(packets) * size
                let packet = Array(data[range])
                data.replaceSubrange(range, with: data[other..<(other + size)])
                data.replaceSubrange(other..<(other + size), with: packet)
            case 3:
                // The header, the adaptation field, the start of a packet of the stream with its times.
                data[one + random.below(32)] = UInt8(random.below(256))
            default: data.removeSubrange(one..<min(data.count, one + 1 + random.below(size)))
            }
        }
    }
}
