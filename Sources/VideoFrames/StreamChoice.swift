internal import CFFmpeg

/// The stream that is the video of a file.
enum StreamChoice {
    /// The stream marked as default, else the largest picture, else the first. Cover art is not video.
    static func video(in demuxer: borrowing Demuxer) throws(VideoError) -> Int {
        var best: (index: Int, rank: (Int, Int))?
        var kinds: [String] = []
        for index in 0..<Int(demuxer.context.pointee.nb_streams) {
            guard let stream = demuxer.stream(index)?.pointee, let parameters = stream.codecpar
            else { continue }
            guard parameters.pointee.codec_type == AVMEDIA_TYPE_VIDEO else {
                let kind = av_get_media_type_string(parameters.pointee.codec_type)
                kinds.append(AV.string(kind) ?? "unknown")
                continue
            }
            guard stream.disposition & AV_DISPOSITION_ATTACHED_PIC == 0 else {
                kinds.append("cover art")
                continue
            }
            let isDefault = stream.disposition & AV_DISPOSITION_DEFAULT != 0
            let area = Int(parameters.pointee.width) * Int(parameters.pointee.height)
            let rank = (isDefault ? 1 : 0, area)
            if let current = best, current.rank >= rank { continue }
            best = (index, rank)
        }
        if let best { return best.index }
        let path = demuxer.file.path
        // A poor match of a demuxer without any video is chance, not an audio file.
        guard demuxer.context.pointee.probe_score > 25, !kinds.isEmpty else {
            throw VideoError(
                code: .notAVideo, path: path,
                message: "expected a video, found no stream in what looks most like "
                    + demuxer.container)
        }
        let found = kinds == ["audio"] ? "audio only" : kinds.joined(separator: ", ")
        throw VideoError(
            code: .noVideoStream, path: path, message: "no video stream: \(found)")
    }
}
