import Foundation

/// Paths without `.`, `..` and doubled slashes, by their bytes: no file is looked at.
enum AbsolutePath {
    /// - Parameter folder: absolute; what a relative path is relative to
    static func of(
        _ path: String, in folder: String = FileManager.default.currentDirectoryPath
    ) -> String {
        let slash = UInt8(ascii: "/")
        var parts: [Substring.UTF8View] = []
        let whole = path.utf8.first == slash ? path : folder + "/" + path
        for part in whole.utf8.split(separator: slash) {
            if part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) {
                _ = parts.popLast()
            } else {
                parts.append(part)
            }
        }
        return "/" + parts.map { String(Substring($0)) }.joined(separator: "/")
    }
}

/// A path by its bytes: two names that differ in them are two files, however alike they are written.
struct PathKey: Hashable {
    private let bytes: [UInt8]

    init(_ path: String) { bytes = Array(path.utf8) }
}
