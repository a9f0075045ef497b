import FoundationEssentials
import Glibc

/// Compiled kernels on disk, one file for each source, architecture and driver. A file that does not
/// say what it should is as good as none.
package enum KernelCache {
    struct Key {
        let file: String
        /// Everything that decides about the image, as the file repeats it.
        let header: String

        init(text: String, architecture: String, driver: String) {
            let digest =
                Self.hash(text.utf8, 0xCBF2_9CE4_8422_2325)
                + Self.hash(text.utf8.reversed(), 0x6C62_272E_07BB_0142)
            file = "\(architecture)-\(driver)-\(digest).cubin"
            header = "zipvl kernel 1 \(architecture) \(driver) \(digest) \(text.utf8.count)\n"
        }

        private static func hash(_ bytes: some Sequence<UInt8>, _ start: UInt64) -> String {
            var state = start
            for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
            let digits = String(state, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }
    }

    /// `ZIPVL_KERNEL_CACHE`, else `zipvl-batch/kernels` in the user's cache folder; `nil` where neither
    /// is known.
    package static var folder: String? {
        func variable(_ name: String) -> String? {
            getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        return variable("ZIPVL_KERNEL_CACHE")
            ?? (variable("XDG_CACHE_HOME") ?? variable("HOME").map { $0 + "/.cache" })
            .map { $0 + "/zipvl-batch/kernels" }
    }

    static func read(_ key: Key, in folder: String? = folder) -> [UInt8]? {
        guard let folder, let data = FileManager.default.contents(atPath: folder + "/" + key.file)
        else { return nil }
        let header = Array(key.header.utf8)
        let bytes = [UInt8](data)
        // Header, image, and the image's length once more: a file that was cut off lacks it.
        guard bytes.starts(with: header), bytes.count >= header.count + 8 else { return nil }
        let image = bytes[header.count..<bytes.count - 8]
        let length = bytes.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        return length == UInt64(image.count) ? Array(image) : nil
    }

    /// A cache that cannot be written costs time, nothing else.
    static func write(_ image: [UInt8], _ key: Key, in folder: String? = folder) {
        guard let folder else { return }
        let length = (0..<8).map { UInt8(truncatingIfNeeded: image.count >> (8 * $0)) }
        let data = Data(Array(key.header.utf8) + image + length)
        let temporary = "\(folder)/.\(key.file).\(getpid())"
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            try data.write(to: URL(fileURLWithPath: temporary))
        } catch {
            unlink(temporary)
            return
        }
        if rename(temporary, folder + "/" + key.file) != 0 { unlink(temporary) }
    }
}
