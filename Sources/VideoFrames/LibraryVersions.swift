internal import CFFmpeg

/// The FFmpeg libraries that this process runs with.
package enum LibraryVersions {
    /// "libavformat 59.27.100", in the order demuxer, decoder, scaler.
    package static var all: [String] {
        [
            ("libavformat", avformat_version()), ("libavcodec", avcodec_version()),
            ("libswscale", swscale_version()),
        ].map { name, version in
            "\(name) \(version >> 16).\(version >> 8 & 0xFF).\(version & 0xFF)"
        }
    }
}
