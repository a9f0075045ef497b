import FoundationEssentials
import Glibc

/// The process's own memory, from the kernel's files.
enum ResidentMemory {
    /// Forgets the peak so far, after what the allocator keeps of earlier work went back to the system:
    /// otherwise a method would be charged for those that ran before it.
    static func resetPeak() {
        // glibc has it; Swift's module of glibc has not.
        if let symbol = dlsym(nil, "malloc_trim") {
            typealias MallocTrim = @convention(c) (Int) -> Int32
            _ = unsafeBitCast(symbol, to: MallocTrim.self)(0)
        }
        try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
    }

    /// The most that was resident, in bytes; `nil` where the kernel does not tell.
    static func peak() -> Int? { field("VmHWM:") }

    /// What is resident now.
    static func now() -> Int? { field("VmRSS:") }

    private static func field(_ name: String) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let kibibytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first
        else { return nil }
        return Int(kibibytes).map { $0 << 10 }
    }
}
