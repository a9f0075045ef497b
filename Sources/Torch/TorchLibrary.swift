import CTorch
import FoundationEssentials
import Glibc
import Synchronization

/// The libtorch that was loaded.
package struct TorchLibrary: Sendable {
    /// The folder that holds `libtorch_cpu.so`.
    package let directory: String
    /// As `torch/version.py` states it, e.g. `2.13.0+cpu`; `unknown` where there is no such file.
    package let version: String
    /// Which rule found it: the option, the environment, the project's own copy, or python3.
    package let origin: String

    /// Finds libtorch and loads it once for the whole process.
    ///
    /// Order: `explicit` (the `--torch` option), `ZIPVL_TORCH`, a `.torch/` folder in the current
    /// directory or beside one of the executable's parents, the `torch` package of `python3`.
    /// The first place that has the library decides: a broken one is an error, not skipped.
    /// - Throws: `TorchError` (`unavailable`) that names every place looked at, or dlopen's message.
    package static func load(explicit: String? = nil) throws(TorchError) -> TorchLibrary {
        var tried: [String] = []
        for candidate in candidates(explicit: explicit) {
            guard let start = candidate.path() else { continue }
            for directory in libraryFolders(of: start) {
                let library = directory + "/libtorch_cpu.so"
                guard access(library, R_OK) == 0 else {
                    tried.append("\(library) (\(candidate.origin))")
                    continue
                }
                // Several workers, or a worker and its sampler, share the cores.
                OpenMPWaiting.set()
                try open(library, ct_load)
                loaded.withLock { $0 = directory }
                ct_set_grad_enabled(false)
                return TorchLibrary(
                    directory: directory, version: version(beside: directory),
                    origin: candidate.origin)
            }
        }
        throw TorchError(
            .unavailable, operation: "load",
            message: "libtorch_cpu.so was not found; looked at: "
                + (tried.isEmpty ? "nothing" : tried.joined(separator: "; "))
                + ". Install PyTorch 2.10 or newer, or name its folder with --torch or ZIPVL_TORCH."
        )
    }

    /// Registers the CUDA kernels of the same libtorch.
    package func loadCUDA() throws(TorchError) {
        let library = directory + "/libtorch_cuda.so"
        guard access(library, R_OK) == 0 else {
            throw TorchError(
                .unavailable, operation: "load",
                message: "\(library) does not exist: this PyTorch (\(version)) is a CPU build")
        }
        // One growing arena in place of many blocks that fit nothing: half the waste at long prompts.
        setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True", 0)
        try Self.open(library, ct_load_cuda)
    }

    private static let loaded = Mutex<String?>(nil)

    /// The folder of the libtorch that was loaded, once it was.
    static var loadedDirectory: String? { loaded.withLock { $0 } }

    package static var isLoaded: Bool { ct_is_loaded() }

    /// Threads that libtorch's CPU kernels use.
    package static func threadCount() -> Int {
        var count: UInt32 = 0
        return ct_thread_count(&count) == 0 ? Int(count) : 0
    }

    /// Gradients are a per-thread switch in libtorch: call once on each thread that runs operators.
    package static func disableGradients() { ct_set_grad_enabled(false) }

    private typealias Opener = (
        UnsafePointer<CChar>?, UnsafeMutablePointer<CChar>?, Int
    ) -> Int32

    private static func open(_ library: String, _ opener: Opener) throws(TorchError) {
        var message = [CChar](repeating: 0, count: 1024)
        guard opener(library, &message, message.count) == 0 else {
            let text = String(
                decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw TorchError(
                .unavailable, operation: "load", message: "\(library) could not be loaded: \(text)")
        }
    }
}

extension TorchLibrary {
    private struct Candidate {
        let origin: String
        /// Evaluated only when its turn comes: asking python3 takes a moment.
        let path: () -> String?
    }

    private static func candidates(explicit: String?) -> [Candidate] {
        var list: [Candidate] = []
        if let explicit { list.append(Candidate(origin: "--torch") { explicit }) }
        if let path = getenv("ZIPVL_TORCH").map({ String(cString: $0) }), !path.isEmpty {
            list.append(Candidate(origin: "ZIPVL_TORCH") { path })
        }
        for folder in projectFolders() {
            list.append(Candidate(origin: "the project's .torch") { folder + "/.torch" })
        }
        list.append(Candidate(origin: "python3", path: torchOfPython))
        return list
    }

    /// Accepts the lib folder itself, a `torch` package, or a site-packages folder that holds one.
    private static func libraryFolders(of path: String) -> [String] {
        [path, path + "/lib", path + "/torch/lib"].filter { access($0, F_OK) == 0 }
    }

    private static func projectFolders() -> [String] {
        var folders = [FileManager.default.currentDirectoryPath]
        var path =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        while let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            path = String(path[..<slash])
            if !folders.contains(path) { folders.append(path) }
        }
        return folders.filter { access($0 + "/.torch", F_OK) == 0 }
    }

    private static func torchOfPython() -> String? {
        let question =
            "import importlib.util as u; s = u.find_spec('torch'); "
            + "print(list(s.submodule_search_locations)[0] if s else '')"
        guard let pipe = popen("python3 -c \"\(question)\" 2>/dev/null", "r") else { return nil }
        defer { pclose(pipe) }
        var line = [CChar](repeating: 0, count: 4096)
        guard fgets(&line, Int32(line.count), pipe) != nil else { return nil }
        let text = String(
            decoding: line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)),
            as: UTF8.self)
        return text.isEmpty ? nil : text
    }

    private static func version(beside directory: String) -> String {
        let path = directory + "/../version.py"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("__version__") })
        else { return "unknown" }
        return line.split(separator: "'").dropFirst().first.map(String.init) ?? "unknown"
    }
}
