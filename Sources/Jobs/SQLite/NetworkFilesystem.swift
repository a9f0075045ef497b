import Foundation
import Glibc

/// Finds out whether a path lies on a filesystem that several machines share. SQLite's write-ahead
/// log needs shared memory between all its processes, and its locks are unreliable there.
enum NetworkFilesystem {
    /// Types of `/proc/mounts` that are refused.
    private static let types: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "lustre", "gpfs", "ceph", "afs",
        "beegfs", "orangefs", "pvfs2", "gfs2", "ocfs2", "glusterfs", "fuse.glusterfs",
        "fuse.sshfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone",
        "fuse.juicefs", "fuse.mount-s3", "fuse.beegfs",
    ]

    struct Mount: Equatable {
        var point: String
        var type: String
    }

    /// The mount that `path` (a file that may not exist yet) lies on, by the text of `/proc/mounts`.
    /// Later lines cover earlier ones at the same point.
    static func mount(of path: String, mounts: String) -> Mount? {
        let resolved = resolve(path)
        var best: Mount?
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count >= 3 else { continue }
            let point = unescape(fields[1])
            let inside = point == "/" || resolved == point || resolved.hasPrefix(point + "/")
            if inside && point.utf8.count >= best?.point.utf8.count ?? 0 {
                best = Mount(point: point, type: String(fields[2]))
            }
        }
        return best
    }

    /// The mount when it is a network filesystem.
    static func networkMount(of path: String, mounts: String) -> Mount? {
        mount(of: path, mounts: mounts).flatMap { types.contains($0.type) ? $0 : nil }
    }

    /// The real path of the nearest folder that exists, and the rest after it.
    private static func resolve(_ path: String) -> String {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        let url = URL(fileURLWithPath: path)
        let parent = url.deletingLastPathComponent().path
        guard parent != path else { return path }
        let folder = resolve(parent)
        return (folder == "/" ? "" : folder) + "/" + url.lastPathComponent
    }

    /// `/proc/mounts` writes space, tab, newline and backslash as three octal digits.
    private static func unescape(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.first {
            let digits = rest.dropFirst().prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(4)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
