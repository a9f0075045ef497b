import Foundation
package import Jobs
package import VideoFrames

/// Small pictures of videos, each a frame from the middle.
package struct ThumbnailSource: Sendable {
    /// A request and its time budget.
    typealias Sampling = @Sendable (SamplingRequest, Duration) async throws -> SampledFrames

    /// Pixels of the longer edge.
    static let side = 144

    private let sample: Sampling
    /// For one video.
    private let budget: Duration

    /// - Parameter sampler: decodes in a process of its own, so that no file can do harm here
    package init(_ sampler: SamplerProcess, budget: Duration = .seconds(10)) {
        self.init(budget: budget) { try await sampler.sample($0, timeBudget: $1) }
    }

    init(budget: Duration = .seconds(10), sample: @escaping Sampling) {
        self.sample = sample
        self.budget = budget
    }

    /// Pictures by content id. A file that is missing, that is not the one that was asked about, or that
    /// cannot be read has none.
    ///
    /// - Parameters:
    ///   - videos: the first `limit` contents of them get a picture
    ///   - deadline: for all of them together; the rest goes without
    package func thumbnails(
        of videos: some Sequence<VideoRecord>, limit: Int, deadline: Duration = .seconds(300)
    ) async -> [String: ReportContent.Thumbnail] {
        let begin = ContinuousClock.now
        var seen: Set<String> = []
        var thumbnails: [String: ReportContent.Thumbnail] = [:]
        for video in videos where seen.insert(video.contentID).inserted {
            guard seen.count <= limit, .now - begin < deadline else { break }
            thumbnails[video.contentID] = await thumbnail(of: video)
        }
        return thumbnails
    }

    private func thumbnail(of video: VideoRecord) async -> ReportContent.Thumbnail? {
        guard ContentIdentity.statistics(video.path)?.size == video.sizeBytes else { return nil }
        // The key frames near the first, the middle and the last frame: quick, and the middle is enough.
        let request = SamplingRequest(
            path: video.path, frames: 3, side: Self.side, mode: .keyframe, resize: .swscale,
            geometry: .squash)
        guard let frames = try? await sample(request, budget), frames.count == 3 else { return nil }
        let bytes = frames.width * frames.height * 3
        guard frames.pixels.count == 3 * bytes,
            let square = RGBImage(
                Array(frames.pixels[bytes..<(2 * bytes)]), width: frames.width,
                height: frames.height)
        else { return nil }
        let longest = Double(max(frames.facts.width, frames.facts.height, 1))
        func edge(_ length: Int) -> Int {
            max(1, Int((Double(Self.side) * Double(length) / longest).rounded()))
        }
        let picture = square.scaled(
            toWidth: edge(frames.facts.width), height: edge(frames.facts.height))
        guard
            let data = try? JPEGPicture.encode(
                rgb: picture.pixels, width: picture.width, height: picture.height, for: video.path)
        else { return nil }
        return ReportContent.Thumbnail(type: "image/jpeg", data: Data(data))
    }
}
