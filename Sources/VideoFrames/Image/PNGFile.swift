internal import Glibc

/// PNG pictures, for figures that people look at.
package enum PNGFile {
    /// Writes beside the target and renames, so that a viewer never sees half a picture.
    ///
    /// - Parameter rgb: [height, width, 3], row-major
    /// - Throws: `ImageError` naming the file: sizes that do not fit, or what the system says
    package static func write(
        rgb: [UInt8], width: Int, height: Int, to path: String
    ) throws(ImageError) {
        let bytes = try PictureEncoder.encode(
            rgb: rgb, width: width, height: height, as: .png, for: path)
        let temporary = "\(path).\(getpid()).partial"
        guard let file = fopen(temporary, "wb") else {
            throw ImageError(path, "cannot be written: \(RegularFile.errorText())")
        }
        let count = fwrite(bytes, 1, bytes.count, file)
        // Buffered bytes may fail at the close only.
        let isWritten = fclose(file) == 0 && count == bytes.count
        guard isWritten, rename(temporary, path) == 0 else {
            let reason = RegularFile.errorText()
            unlink(temporary)
            throw ImageError(path, "cannot be written: \(reason)")
        }
    }
}

/// A picture that could not be written: names the file and why.
package struct ImageError: Error, Sendable, CustomStringConvertible {
    package var path: String
    package var message: String

    package init(_ path: String, _ message: String) {
        self.path = path
        self.message = message
    }

    package var description: String { "\(path): \(message)" }
}
