/// Why a video gave no frames: names the file, what was expected and what was found.
package struct VideoError: Error, Codable, Sendable, CustomStringConvertible {
    /// Short and stable, for queries over many failures.
    package enum Code: String, Codable, Sendable {
        /// Missing, a directory, no permission, an I/O error.
        case unreadable
        /// Zero bytes.
        case empty
        case notAVideo = "not_a_video"
        /// A container without moving pictures: audio only, or audio with cover art.
        case noVideoStream = "no_video_stream"
        /// An MP4 that was cut off before its index was written.
        case moovMissing = "moov_missing"
        /// A video stream in which nothing can be shown.
        case noFrames = "no_frames"
        case decode
        case timeout
        /// The sampling process died on this file.
        case crashed
        case tooLarge = "too_large"
        case other = "internal"
    }

    package var code: Code
    package var path: String
    package var message: String

    package init(code: Code, path: String, message: String) {
        self.code = code
        self.path = path
        self.message = message
    }

    package var description: String { "\(path): \(message)" }

    static func outOfMemory(_ path: String, _ what: String) -> VideoError {
        VideoError(code: .other, path: path, message: "out of memory: no room for \(what)")
    }

    static func timedOut(_ path: String, _ doing: String) -> VideoError {
        VideoError(
            code: .timeout, path: path, message: "the time budget was used up while \(doing)")
    }
}
