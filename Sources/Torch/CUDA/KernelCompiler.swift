import CTorch
import FoundationEssentials
import Glibc

/// NVRTC, found beside libtorch or in the CUDA toolkit, and the folder of what it has compiled.
package enum KernelCompiler {
    /// The image of a source for one device: from the cache, else compiled and put there.
    static func image(of source: KernelSource, for device: CUDADevice) throws(TorchError) -> [UInt8]
    {
        let text = source.text
        let driver = try CUDADevice.driverVersion()
        let key = KernelCache.Key(text: text, architecture: device.architecture, driver: driver)
        if let image = KernelCache.read(key) { return image }
        let image = try compile(text, name: source.name + ".cu", architecture: device.architecture)
        KernelCache.write(image, key)
        return image
    }

    /// - Throws: `TorchError` with the compiler's own messages.
    package static func compile(
        _ text: String, name: String, architecture: String
    ) throws(TorchError) -> [UInt8] {
        try load()
        let options = ["--gpu-architecture=\(architecture)", "--std=c++17", "-lineinfo"]
        let strings = options.map { strdup($0) }
        defer { for string in strings { free(string) } }
        let pointers = strings.map { UnsafePointer<CChar>($0) }
        var image: UnsafeMutableRawPointer?
        var size = 0
        var log: UnsafeMutablePointer<CChar>?
        let code = cc_nvrtc_compile(
            text, name, Int32(options.count), pointers, &image, &size, &log)
        defer {
            free(image)
            free(log)
        }
        guard code == 0, let image else {
            throw TorchError(
                .other, operation: "NVRTC",
                message: "\(name) does not compile for \(architecture) (error \(code)): "
                    + (log.map { String(cString: $0) } ?? "no message"))
        }
        return Array(UnsafeRawBufferPointer(start: image, count: size))
    }

    /// Where NVRTC was found; the reason where it was not.
    package static func availability() -> Result<String, TorchError> {
        Result { () throws(TorchError) in
            try load()
            var (major, minor): (Int32, Int32) = (0, 0)
            _ = cc_nvrtc_version(&major, &minor)
            return "NVRTC \(major).\(minor)"
        }
    }

    private static func load() throws(TorchError) {
        if cc_nvrtc_is_loaded() { return }
        var message = [CChar](repeating: 0, count: 512)
        var reasons: [String] = []
        for library in libraries() {
            if cc_nvrtc_load(library.path, library.builtins, &message, message.count) == 0 {
                return
            }
            let text = message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
            reasons.append(String(decoding: text, as: UTF8.self))
        }
        throw TorchError(
            .unavailable, operation: "NVRTC", message: reasons.joined(separator: "; "))
    }

    private struct Library {
        let path: String
        let builtins: String?
    }

    /// Beside the libtorch that was loaded, as pip installs it; in the toolkit; wherever the loader looks.
    private static func libraries() -> [Library] {
        var folders: [String] = []
        if let named = getenv("ZIPVL_NVRTC") { folders.append(String(cString: named)) }
        if let torch = TorchLibrary.loadedDirectory {
            folders += ["", "/../../nvidia/cu13/lib", "/../../nvidia/cuda_nvrtc/lib"].map {
                torch + $0
            }
        }
        folders += [
            "/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib",
            "/usr/local/cuda/targets/sbsa-linux/lib",
        ]
        let found = folders.compactMap { folder -> Library? in
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
                .sorted()
            guard let name = names.last(where: { $0.hasPrefix("libnvrtc.so.") }) else { return nil }
            let builtins = names.last {
                $0.hasPrefix("libnvrtc-builtins.so.") && !$0.contains(".alt.")
            }
            return Library(
                path: folder + "/" + name, builtins: builtins.map { folder + "/" + $0 })
        }
        return found
            + ["libnvrtc.so.13", "libnvrtc.so.12"].map { Library(path: $0, builtins: nil) }
    }
}
