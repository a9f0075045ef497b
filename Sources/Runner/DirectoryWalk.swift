import Glibc

/// The videos below a directory, one at a time, in the order of their paths' bytes. Only the names of
/// the folders that are open are held, so that a tree may be of any size. Links to folders are not
/// followed.
struct DirectoryWalk {
    enum Entry: Equatable {
        case video(String)
        /// What a person should know: a name that is not UTF-8, a folder that cannot be read.
        case note(String)
    }

    fileprivate struct Name {
        var text: String
        var isFolder: Bool
        /// What is wrong with the name; it is not looked at then.
        var problem: String?
    }

    private struct Level {
        /// Ends in a slash.
        var folder: String
        /// The next one last.
        var names: [Name]
    }

    private let search: VideoSearch
    private let rootBytes: Int
    private var levels: [Level] = []

    /// - Parameter directory: absolute
    /// - Throws: when the directory itself cannot be read
    init(_ directory: String, _ search: VideoSearch) throws(EnqueueError) {
        self.search = search
        let root = directory.hasSuffix("/") ? directory : directory + "/"
        rootBytes = root.utf8.count
        switch Self.names(in: root) {
        case .success(let names): levels = [Level(folder: root, names: names)]
        case .failure(let problem): throw EnqueueError("\(directory): \(problem)")
        }
    }

    mutating func next() -> Entry? {
        while let level = levels.last {
            guard let name = levels[levels.count - 1].names.popLast() else {
                levels.removeLast()
                continue
            }
            if let problem = name.problem { return .note(level.folder + problem) }
            let path = level.folder + name.text
            guard name.isFolder else {
                let below = String(Substring(path.utf8.dropFirst(rootBytes)))
                if search.isCandidate(below) { return .video(path) }
                continue
            }
            switch Self.names(in: path + "/") {
            case .success(let names): levels.append(Level(folder: path + "/", names: names))
            case .failure(let problem): return .note("\(path): \(problem), left out")
            }
        }
        return nil
    }

    private struct Problem: Error, CustomStringConvertible { var description: String }

    /// The names in a folder without hidden ones, the first in order last.
    private static func names(in folder: String) -> Result<[Name], Problem> {
        func failed() -> Problem {
            Problem(description: "cannot be read: \(String(cString: strerror(errno)))")
        }
        guard let stream = opendir(folder) else { return .failure(failed()) }
        defer { closedir(stream) }
        var names: [Name] = []
        errno = 0
        while let entry = readdir(stream) {
            let type = Int(entry.pointee.d_type)
            let name = withUnsafeMutablePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: UInt8.self, capacity: 256) { bytes in
                    Name(
                        UnsafeBufferPointer(
                            start: bytes,
                            count: strnlen(
                                UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self), 256)),
                        in: folder, type: type)
                }
            }
            if let name { names.append(name) }
            errno = 0
        }
        if errno != 0 { return .failure(failed()) }
        // As whole paths are ordered: a folder's name counts with the slash behind it.
        return .success(names.sorted { $1.key.lexicographicallyPrecedes($0.key) })
    }
}

extension DirectoryWalk.Name {
    /// `nil` for hidden files.
    fileprivate init?(_ bytes: UnsafeBufferPointer<UInt8>, in folder: String, type: Int) {
        guard bytes.first != UInt8(ascii: ".") else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            self.init(
                text: "", isFolder: false,
                problem: Printable.bytes(bytes) + ": a name that is not UTF-8, left out")
            return
        }
        var isFolder = type == DT_DIR
        if type == DT_UNKNOWN || type == DT_LNK {
            // Not every file system tells; of a link, what it leads to counts, but a folder is not entered.
            var status = stat()
            let isDirectory =
                stat(folder + text, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            if isDirectory, type == DT_LNK { return nil }
            isFolder = isDirectory
        }
        self.init(text: text, isFolder: isFolder, problem: nil)
    }

    fileprivate var key: [UInt8] { Array((isFolder ? text + "/" : text).utf8) }
}
