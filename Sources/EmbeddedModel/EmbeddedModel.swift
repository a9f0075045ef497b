internal import Glibc

/// The small model that comes with the program.
///
/// `Bundle.module` is not used: it traps when the bundle is missing and carries the path of the build machine. The
/// model is looked for relative to the running executable, so a build folder or an installation can be moved.
package enum EmbeddedModel {
    /// The model directory: the first of `candidates(...)` that holds a `config.json`.
    ///
    /// - Throws: `EmbeddedModelMissing`, which names every place looked at.
    package static func directory() throws(EmbeddedModelMissing) -> String {
        try directory(
            executable: runningExecutable(),
            override: getenv("ZIPVL_MODEL").map { String(cString: $0) })
    }

    /// The same for an executable at a given path and a given value of `ZIPVL_MODEL`.
    package static func directory(
        executable: String?, override: String?
    ) throws(EmbeddedModelMissing) -> String {
        let candidates = candidates(executable: executable, override: override)
        for candidate in candidates where access(candidate + "/config.json", R_OK) == 0 {
            return candidate
        }
        throw EmbeddedModelMissing(places: candidates)
    }

    /// Beside the executable, where SwiftPM copies a target's resources; where an installation keeps its data;
    /// and last the folder that `ZIPVL_MODEL` names.
    private static func candidates(executable: String?, override: String?) -> [String] {
        var places: [String] = []
        if let executable, let slash = executable.lastIndex(of: "/") {
            let folder = executable[..<slash]
            places.append("\(folder)/zipvl-batch_EmbeddedModel.resources/model")
            places.append("\(folder)/../share/zipvl-batch/model")
        }
        if let override, !override.isEmpty { places.append(override) }
        return places
    }

    /// The kernel's own record; `argv[0]` is whatever the caller chose. Nil where `/proc` is not mounted.
    private static func runningExecutable() -> String? {
        var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = path.withUnsafeMutableBytes { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                guard let start = characters.baseAddress else { return -1 }
                return readlink("/proc/self/exe", start, characters.count)
            }
        }
        guard length > 0 else { return nil }
        return String(decoding: path[..<length], as: UTF8.self)
    }
}

/// No embedded model was found.
package struct EmbeddedModelMissing: Error, CustomStringConvertible {
    /// The directories that were looked at, in order.
    package let places: [String]

    package var description: String {
        let looked =
            places.isEmpty
            ? "  (no place: /proc is not mounted, ZIPVL_MODEL is not set)\n"
            : places.map { "  \($0)\n" }.joined()
        return "the embedded model was not found; a readable config.json was looked for in\n"
            + looked
            + "Name a model with --model DIR, or set ZIPVL_MODEL to the folder that holds config.json."
    }
}
