/// What decides the frames of an entry: equal keys have frames that are equal in every bit.
package struct FrameCacheKey: Sendable, Equatable {
    /// All parts in words, as the entry stores them.
    let text: String
    let frames: Int
    let side: Int

    /// - Parameter contentID: names the video's bytes, whatever the file is called
    package init(contentID: String, _ request: SamplingRequest) {
        self.init(contentID: contentID, request, version: FrameSampler.version)
    }

    init(contentID: String, _ request: SamplingRequest, version: Int) {
        frames = request.frames
        side = request.side
        // The libraries decode and scale: another version may round another way.
        text = """
            content \(contentID)
            frames \(request.frames)
            side \(request.side)
            sampling \(request.mode.rawValue)
            resize \(request.resize.rawValue)
            geometry \(request.geometry.rawValue)
            sampler \(version)
            \(LibraryVersions.all.joined(separator: ", "))
            """
    }

    /// Name of the entry's file. Should two keys ever have the same, the stored text tells them apart.
    var fileName: String {
        var checksum = ByteChecksum()
        checksum.add(Array(text.utf8))
        let digits = checksum.finish().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }
        return digits.joined() + FrameCacheFolder.entrySuffix
    }
}
