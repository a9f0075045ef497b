/// JPEG pictures in memory, for thumbnails.
package enum JPEGPicture {
    /// - Parameters:
    ///   - rgb: [height, width, 3], row-major
    ///   - path: what the picture is of, for messages
    /// - Throws: `ImageError`: sizes that do not fit, or an FFmpeg without the encoder
    package static func encode(
        rgb: [UInt8], width: Int, height: Int, for path: String
    ) throws(ImageError) -> [UInt8] {
        try PictureEncoder.encode(rgb: rgb, width: width, height: height, as: .jpeg, for: path)
    }
}
