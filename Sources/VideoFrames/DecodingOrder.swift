internal import CFFmpeg

extension FrameTable {
    /// Presentation order of a stream without times by what the decoder makes of it: one pass over the whole
    /// stream, with the parts of decoding left out that only change pixels.
    mutating func orderByDecoding(
        reader: inout PacketReader, decoder: borrowing Decoder, frameRate: Double
    ) throws(VideoError) {
        let picture = try Picture(for: reader.file.path)
        let packet = try Packet(for: reader.file.path)
        let context = decoder.context
        context.pointee.skip_loop_filter = AVDISCARD_ALL
        context.pointee.skip_idct = AVDISCARD_ALL
        defer {
            context.pointee.skip_loop_filter = AVDISCARD_DEFAULT
            context.pointee.skip_idct = AVDISCARD_DEFAULT
            decoder.flush()
        }
        decoder.flush()
        try reader.rewind()
        var order: [Int] = []
        var met = Set<Int>()
        func collect() {
            while decoder.receive(picture) >= 0 {
                let label = Int(picture.raw.pointee.pts)
                if entries.indices.contains(label), entries[label].isShown,
                    met.insert(label).inserted
                {
                    order.append(label)
                }
            }
        }
        while let index = try reader.next(packet, in: self) {
            packet.raw.pointee.pts = Int64(index)
            packet.raw.pointee.dts = AV.noPTS
            _ = decoder.send(packet, skippingUnreferenced: false)
            collect()
        }
        decoder.drain()
        collect()
        for index in entries.indices where !met.contains(index) { entries[index].isShown = false }
        setOrder(order, frameRate: frameRate)
    }
}
