import Foundation

/// Files that come with the project, such as the demo's.
enum ProjectFiles {
    /// Looks below the current folder, then beside the executable and in the folders above it, so that
    /// the verbs work from any folder of a checkout.
    static func find(_ name: String) -> String? {
        let executable =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        var folders = [FileManager.default.currentDirectoryPath]
        var folder = URL(fileURLWithPath: executable).deletingLastPathComponent()
        while folder.path != "/", !folder.path.isEmpty, folders.count < 64 {
            folders.append(folder.path)
            folder = folder.deletingLastPathComponent()
        }
        return folders.map { "\($0)/\(name)" }
            .first { FileManager.default.fileExists(atPath: $0) }
    }
}
