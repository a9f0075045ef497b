internal import Glibc

/// The resident memory of this process, from procfs.
package enum ProcessMemory {
    /// Highest resident size since the last reset, 0 where procfs does not say.
    package static var peakBytes: Int64 { kilobytes("VmHWM:") * 1024 }

    /// Sets the highest resident size to the present one.
    package static func resetPeak() {
        let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = write(descriptor, "5", 1)
        close(descriptor)
    }

    private static func kilobytes(_ field: String) -> Int64 {
        let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return 0 }
        let text = String(decoding: bytes[0..<count], as: UTF8.self)
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(field) }) else {
            return 0
        }
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        return words.count > 1 ? Int64(words[1]) ?? 0 : 0
    }
}
