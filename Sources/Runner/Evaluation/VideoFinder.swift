import Foundation
import Synchronization

/// Finds the files that a list of questions names.
final class VideoFinder: Sendable {
    private let root: String
    /// Whether folders below `root` are searched for the file's name.
    private let isDeep: Bool
    /// Paths by file name and by file name without extension.
    private let found = Mutex<[String: String]?>(nil)

    /// - Parameters:
    ///   - folder: the list's own folder, which relative paths are relative to
    ///   - videos: where the files are, when they are elsewhere
    init(folder: String, videos: String?) {
        root = URL(fileURLWithPath: videos ?? folder).standardizedFileURL.path
        isDeep = videos != nil
    }

    /// The file's path: in `root/below`, else below the root as named, else anywhere below the root by its
    /// name. A file that is not there gets the path below the root, and fails when it is opened.
    func path(of name: String, below folder: String? = nil) -> String {
        path(ofAny: [name], below: folder)
    }

    /// The first of several names under which there is a file, with or without extension.
    func path(ofAny names: [String], below folder: String? = nil) -> String {
        for name in names {
            for base in [folder.map { "\(root)/\($0)" }, root].compactMap({ $0 }) {
                let direct = absolute(name, in: base)
                if isFile(direct) { return direct }
                if let other = Self.extensions.map({ "\(direct).\($0)" }).first(where: isFile) {
                    return other
                }
            }
        }
        if isDeep {
            let index = index()
            for name in names {
                let last = URL(fileURLWithPath: name).lastPathComponent
                if let path = index[last] { return path }
            }
        }
        return absolute(names.first ?? "", in: root)
    }

    private static let extensions = ["mp4", "mkv", "webm", "avi", "mov"]

    private func isFile(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            && !isFolder.boolValue
    }

    private func absolute(_ path: String, in folder: String) -> String {
        URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true))
            .standardizedFileURL.path
    }

    private func index() -> [String: String] {
        found.withLock { found in
            if let found { return found }
            var index: [String: String] = [:]
            // What cannot be listed is not there; opening the file will say so.
            for path in (try? VideoSearch().videos(below: root)) ?? [] {
                let url = URL(fileURLWithPath: path)
                for key in [
                    url.lastPathComponent, url.deletingPathExtension().lastPathComponent,
                ] where index[key] == nil { index[key] = path }
            }
            found = index
            return index
        }
    }
}
