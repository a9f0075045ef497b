internal import FoundationEssentials

/// The sampling of one video from opening to the last row.
final class SamplingRun {
    private let request: SamplingRequest
    private let limits: SamplingLimits
    private let allocate: (Int) throws(VideoError) -> UnsafeMutableRawBufferPointer
    private let clock = ContinuousClock()

    /// - Parameter allocate: gives memory for all rows. The result's `pixels` stay empty: the caller knows
    ///   where they are.
    init(
        _ request: SamplingRequest, limits: SamplingLimits,
        allocate: @escaping (Int) throws(VideoError) -> UnsafeMutableRawBufferPointer
    ) throws(VideoError) {
        guard (1...limits.frames).contains(request.frames), (0...8192).contains(request.side) else {
            throw VideoError(
                code: .tooLarge, path: request.path,
                message: "expected 1 to \(limits.frames) frames of side 0 to 8192, found "
                    + "\(request.frames) of side \(request.side)")
        }
        self.request = request
        self.limits = limits
        self.allocate = allocate
    }

    func sample() throws(VideoError) -> SampledFrames {
        let start = clock.now
        let video = try OpenVideo(
            path: request.path, limits: limits, hardware: request.hardware)
        let count = request.frames
        let chosen = try video.choose(count, request.mode)
        let (requested, wanted) = (chosen.requested, chosen.shown)
        var places: [Int: [Int]] = [:]
        for (row, rank) in wanted.enumerated() { places[rank, default: []].append(row) }
        let rows = FrameRows(request, places: places, limits: limits, allocate: allocate)
        func decoder(_ threads: Int) -> FrameDecoding {
            FrameDecoding(video, threads: threads) { () throws(VideoError) in
                try FrameWriter(
                    self.request, rows: rows, orientation: video.orientation, limits: self.limits)
            }
        }
        var decoding = decoder(threads)
        var shown = wanted
        var missing = try decoding.run(ranks: Array(places.keys))
        if let reason = Self.doubt(of: video, decoding, missing) {
            try video.leaveHardware(because: reason)
            decoding = decoder(threads)
            missing = try decoding.run(ranks: Array(places.keys))
        }
        if threads > 1, !missing.isEmpty || !decoding.record.isClean {
            // What a decoder makes of damage depends on the headers that it met before: one lane, in order, so
            // that the result does not depend on which lane met what.
            try video.renewDecoder()
            decoding = decoder(1)
            missing = try decoding.run(ranks: Array(places.keys))
        }
        if decoding.record.inHardware == 0 { video.noteRefusal(request.hardware) }
        if !missing.isEmpty {
            try replace(missing, in: rows, video, decoding, &shown)
        }
        guard let picture = rows.firstPicture else { throw Self.nothingDecoded(video, decoding) }
        let elapsed = clock.now - start
        return SampledFrames(
            count: count, width: rows.width, height: rows.height,
            frameIndex: shown, requestedIndex: requested,
            framePTSMilliseconds: shown.map { video.table.milliseconds(rank: $0) },
            facts: video.facts(first: picture),
            warnings: chosen.warnings + Self.warnings(video, decoding, missing: missing),
            sampling: request.mode,
            hardware: decoding.record.inHardware > 0 ? .cuda : .none,
            decodeMilliseconds: elapsed.milliseconds, childPeakBytes: 0,
            packetsRead: video.packetsRead + decoding.packetsReadBeside,
            framesDecoded: decoding.record.framesDecoded,
            framesNeeded: decoding.record.framesNeeded)
    }

    private var threads: Int {
        request.threads > 0
            ? request.threads : min(ProcessInfo.processInfo.activeProcessorCount, Self.mostLanes)
    }

    /// Each lane has a decoder with pictures of its own: 30 MiB at 1920 x 1080, four times that at 3840 x 2160.
    private static let mostLanes = 8

    /// Why frames from a card must not be taken: it conceals damage without a word.
    private static func doubt(
        of video: OpenVideo, _ decoding: FrameDecoding, _ missing: [Int]
    ) -> String? {
        guard video.device != nil else { return nil }
        return missing.isEmpty && decoding.record.isClean ? nil : "the stream is damaged"
    }

    /// Shows the nearest readable frame in the rows of those that could not be read.
    private func replace(
        _ missing: [Int], in rows: FrameRows, _ video: OpenVideo, _ decoding: FrameDecoding,
        _ shown: inout [Int]
    ) throws(VideoError) {
        try decoding.explore(ranks: missing)
        if decoding.record.seen.isEmpty {
            // Nothing near them: look over the whole file.
            try decoding.explore(
                ranks: video.locate { FrameSampler.uniformIndices(total: $0, count: 16) })
        }
        let good = decoding.readable
        var late = Set<Int>()
        for rank in missing {
            guard let nearest = Self.nearest(to: rank, in: good),
                let places = rows.places[rank]
            else { throw Self.nothingDecoded(video, decoding) }
            for row in places { shown[row] = nearest }
            if !decoding.record.delivered.contains(nearest) { late.insert(nearest) }
            rows.places[nearest, default: []].append(contentsOf: places)
        }
        let lost = try decoding.run(ranks: Array(late))
        guard lost.isEmpty else { throw Self.nothingDecoded(video, decoding) }
        for rank in missing {
            if let row = rows.places[rank]?.first { rows.spread(shown[row]) }
        }
    }

    /// The nearest of ascending ranks; of two equally near ones the earlier.
    static func nearest(to rank: Int, in good: [Int]) -> Int? {
        good.min { (abs($0 - rank), $0) < (abs($1 - rank), $1) }
    }

    private static func nothingDecoded(
        _ video: OpenVideo, _ decoding: FrameDecoding
    ) -> VideoError {
        VideoError(
            code: .decode, path: video.file.path,
            message: "expected \(video.table.total) frames of \(video.codec), none of those needed "
                + "could be decoded (\(decoding.record.lostPackets.count) packets damaged)")
    }

    private static func warnings(
        _ video: OpenVideo, _ decoding: FrameDecoding, missing: [Int]
    ) -> [String] {
        var warnings = video.table.warnings + video.hardwareWarnings
        if !missing.isEmpty {
            warnings.append(
                "\(missing.count) frames could not be read and show the nearest readable one: "
                    + list(missing))
        }
        if !decoding.record.lostPackets.isEmpty {
            warnings.append("\(decoding.record.lostPackets.count) packets are damaged")
        }
        let concealed = decoding.record.damagedFrames.intersection(decoding.record.delivered)
            .sorted()
        if !concealed.isEmpty {
            warnings.append(
                "\(concealed.count) sampled frames have concealed damage: \(list(concealed))")
        }
        return warnings
    }

    private static func list(_ ranks: [Int]) -> String {
        ranks.prefix(8).map(String.init).joined(separator: ", ") + (ranks.count > 8 ? ", ..." : "")
    }
}

extension Duration {
    var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15
    }
}
