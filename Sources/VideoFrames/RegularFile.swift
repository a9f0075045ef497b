internal import Glibc

/// A file that can be sampled at all: regular, readable and not empty.
struct RegularFile {
    let path: String
    let size: Int64

    init(path: String) throws(VideoError) {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            throw VideoError(code: .unreadable, path: path, message: Self.errorText())
        }
        switch facts.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR:
            throw VideoError(
                code: .unreadable, path: path, message: "expected a video file, found a directory")
        default:
            // Pipes and devices cannot be read twice, and opening one may block for ever.
            throw VideoError(
                code: .unreadable, path: path,
                message: "expected a regular file, found a pipe, socket or device")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw VideoError(code: .unreadable, path: path, message: Self.errorText())
        }
        defer { close(descriptor) }
        guard facts.st_size > 0 else {
            throw VideoError(
                code: .empty, path: path, message: "expected a video, found zero bytes")
        }
        // Lists of other files: libav would open what they name.
        var start = [UInt8](repeating: 0, count: 8)
        let count = read(descriptor, &start, start.count)
        let text = start.prefix(max(0, count))
        for mark in ["#EXTM3U", "ffconcat"] where text.starts(with: mark.utf8) {
            throw VideoError(
                code: .notAVideo, path: path, message: "expected a video, found a list of files")
        }
        self.path = path
        size = Int64(facts.st_size)
    }

    static func errorText() -> String {
        strerror(errno).map { String(cString: $0) } ?? "error \(errno)"
    }
}
