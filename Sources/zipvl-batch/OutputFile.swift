import ArgumentParser
import Foundation

/// The names that pictures may have.
enum PictureFile {
    /// Refuses early what could not be written in the end.
    static func check(_ path: String?, flag: String) throws {
        try OutputFile.check(path, flag: flag, suffix: "png")
    }
}

/// The names that drawings may have.
enum DrawingFile {
    /// Refuses early what could not be written in the end.
    static func check(_ path: String?, flag: String) throws {
        try OutputFile.check(path, flag: flag, suffix: "svg")
    }
}

enum OutputFile {
    fileprivate static func check(_ path: String?, flag: String, suffix: String) throws {
        guard let path else { return }
        guard URL(fileURLWithPath: path).pathExtension.lowercased() == suffix else {
            throw ValidationError("\(flag) \(path): expected a name that ends in .\(suffix)")
        }
        try check(path, flag: flag)
    }

    /// Refuses early what could not be written in the end.
    static func checkHTML(_ path: String, flag: String) throws {
        try check(path, flag: flag, suffix: "html")
    }

    /// Refuses early a path in a folder that is not there, and a folder.
    static func check(_ path: String?, flag: String) throws {
        guard let path else { return }
        let url = URL(fileURLWithPath: path)
        var isFolder: ObjCBool = false
        let folder = url.deletingLastPathComponent().path
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder),
            isFolder.boolValue
        else { throw ValidationError("\(flag) \(path): there is no folder \(folder)") }
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
        {
            throw ValidationError("\(flag) \(path): is a folder")
        }
    }
}
