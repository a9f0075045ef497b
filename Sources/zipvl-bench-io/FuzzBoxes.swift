/// Damages the box structure of ISO media (ISO/IEC 14496-12, 4.2): what parsers trust most.
enum FuzzBoxes {
    private struct Box {
        var range: Range<Int>
        /// Bytes before the payload.
        var header: Int
    }

    private static let containers: Set<[UInt8]> = Set(
        [
            "moov", "trak", "mdia", "minf", "stbl", "edts", "moof", "traf", "mvex", "udta", "dinf",
            "stsd", "avc1", "hvc1", "hev1", "av01",
        ].map { Array($0.utf8) })

    static func isISOMedia(_ data: [UInt8]) -> Bool {
        data.count > 8 && data[4..<8].elementsEqual("ftyp".utf8)
    }

    static func damage(_ data: inout [UInt8], _ random: inout FuzzRandom) {
        for _ in 0...random.below(4) {
            let boxes = self.boxes(data)
            guard let box = boxes[safe: random.below(boxes.count)],
                let other = boxes[safe: random.below(boxes.count)]
            else { return }
            switch random.below(7) {
            case 0: resize(box, &data, &random)
            case 1: data.removeSubrange(box.range)
            case 2: data.insert(contentsOf: Array(data[box.range]), at: other.range.lowerBound)
            case 3: data.replaceSubrange(box.range, with: Array(data[other.range]))
            case 4:
                // Another type, so that the box is skipped or read as what it is not.
                let type = Array(data[(other.range.lowerBound + 4)..<(other.range.lowerBound + 8)])
                data.replaceSubrange(
                    (box.range.lowerBound + 4)..<(box.range.lowerBound + 8), with: type)
            case 5: swap(box, other, &data)
            default:
                // Counts, offsets and sizes in tables.
                let payload = (box.range.lowerBound + box.header)..<box.range.upperBound
                guard !payload.isEmpty else { continue }
                for _ in 0...random.below(6) {
                    let at = payload.lowerBound + random.below(min(payload.count, 256))
                    data[at] = [0, 1, 0x7F, 0x80, 0xFF, UInt8(random.below(256))][random.below(6)]
                }
            }
        }
    }

    private static func resize(_ box: Box, _ data: inout [UInt8], _ random: inout FuzzRandom) {
        let lengths = [
            0, 1, 2, 7, 8, 9, box.range.count - 1, box.range.count + 1, box.range.count * 2,
            0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, random.below(1 << 32),
        ]
        let length = lengths[random.below(lengths.count)]
        for byte in 0..<4 {
            data[box.range.lowerBound + byte] = UInt8(truncatingIfNeeded: length >> (24 - 8 * byte))
        }
    }

    private static func swap(_ box: Box, _ other: Box, _ data: inout [UInt8]) {
        let (first, second) =
            box.range.lowerBound < other.range.lowerBound ? (box, other) : (other, box)
        guard first.range.upperBound <= second.range.lowerBound else { return }
        let (before, after) = (Array(data[first.range]), Array(data[second.range]))
        data.replaceSubrange(second.range, with: before)
        data.replaceSubrange(first.range, with: after)
    }

    /// All boxes, those within others too; the outer before the inner.
    private static func boxes(_ data: [UInt8]) -> [Box] {
        var found: [Box] = []
        var open: [(range: Range<Int>, depth: Int)] = [(data.indices, 0)]
        while let (range, depth) = open.popLast() {
            var at = range.lowerBound
            while at + 8 <= range.upperBound, found.count < 512 {
                var size = (0..<4).reduce(0) { $0 << 8 | Int(data[at + $1]) }
                var header = 8
                if size == 1, at + 16 <= range.upperBound {
                    size = (8..<16).reduce(0) { ($0 & 0xFF_FFFF_FFFF) << 8 | Int(data[at + $1]) }
                    header = 16
                }
                if size == 0 { size = range.upperBound - at }
                guard size >= header, size <= range.upperBound - at else { break }
                let type = Array(data[(at + 4)..<(at + 8)])
                found.append(Box(range: at..<(at + size), header: header))
                if depth < 8, containers.contains(type) {
                    open.append(
                        ((at + header + skip(type, size - header))..<(at + size), depth + 1))
                }
                at += size
            }
        }
        return found
    }

    /// Fields between a container's header and its first box.
    private static func skip(_ type: [UInt8], _ room: Int) -> Int {
        let name = String(decoding: type, as: UTF8.self)
        return min(
            room, name == "stsd" ? 8 : ["avc1", "hvc1", "hev1", "av01"].contains(name) ? 78 : 0)
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? {
        indices.contains(index) ? self[index] : nil
    }
}
