import FoundationEssentials

/// What this process may still allocate.
package enum HostMemory {
    /// Bytes available without swapping: the kernel's estimate, or what the control group still
    /// allows when that is less; `nil` where neither can be read.
    package static func available() -> Int? {
        let limits = [kernelEstimate(), controlGroupRoom()].compactMap(\.self)
        return limits.min()
    }

    private static func kernelEstimate() -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
            let kibibytes = line.split(separator: " ").compactMap({ Int($0) }).first
        else { return nil }
        return kibibytes * 1024
    }

    private static func controlGroupRoom() -> Int? {
        func number(_ file: String) -> Int? {
            guard let text = try? String(contentsOfFile: "/sys/fs/cgroup/\(file)", encoding: .utf8)
            else { return nil }
            return Int(text.split(separator: "\n").first ?? "")
        }
        guard let limit = number("memory.max"), let used = number("memory.current") else {
            return nil
        }
        return max(0, limit - used)
    }
}
