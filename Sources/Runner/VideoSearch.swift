import Glibc

/// Which files of a directory are candidates for analysis.
package struct VideoSearch: Sendable {
    /// Globs (`*`, `?`, `[a-z]`): on the file's name, or on its path below the directory when they hold a
    /// slash. Without `include`, the extensions of common video containers count.
    package var include: [String]
    package var exclude: [String]

    package init(include: [String] = [], exclude: [String] = []) {
        self.include = include
        self.exclude = exclude
    }

    package static let extensions: Set<String> = [
        "3g2", "3gp", "asf", "avi", "f4v", "flv", "gif", "h264", "h265", "hevc", "m2ts", "m2v",
        "m4v", "mkv", "mov", "mp4", "mpe", "mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "qt", "rm",
        "rmvb", "ts", "vob", "webm", "wmv", "y4m",
    ]

    /// All candidates below a directory, in the order of their paths. Hidden files and folders are left
    /// out, and names that are not UTF-8. A file is judged by its name here: whether it is a video is
    /// found out when it is probed.
    ///
    /// - Throws: `EnqueueError` when the directory cannot be read
    package func videos(below directory: String) throws(EnqueueError) -> [String] {
        var walk = try DirectoryWalk(directory, self)
        var videos: [String] = []
        while let entry = walk.next() {
            if case .video(let path) = entry { videos.append(path) }
        }
        return videos
    }

    /// - Parameter path: below the directory
    func isCandidate(_ path: String) -> Bool {
        let name =
            path.utf8.lastIndex(of: UInt8(ascii: "/"))
            .map { String(path[path.utf8.index(after: $0)...]) } ?? path
        func matches(_ glob: String) -> Bool {
            fnmatch(glob, glob.utf8.contains(UInt8(ascii: "/")) ? path : name, 0) == 0
        }
        if exclude.contains(where: matches) { return false }
        if !include.isEmpty { return include.contains(where: matches) }
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return false }
        return Self.extensions.contains(name[name.index(after: dot)...].lowercased())
    }
}

/// Why nothing was enqueued: a path that is not there, no question, no video.
package struct EnqueueError: Error, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
