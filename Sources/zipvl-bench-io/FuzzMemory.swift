import FoundationEssentials

/// Readings of the child's and this process's memory and open files between requests.
struct FuzzMemory {
    private struct Reading {
        var pid: Int32
        var childBytes: Int
        var ownBytes: Int
        var childFiles: Int
        var ownFiles: Int
    }

    private var readings: [Reading] = []

    mutating func read(child: Int32?) {
        guard let child else { return }
        readings.append(
            Reading(
                pid: child, childBytes: Self.resident("\(child)"), ownBytes: Self.resident("self"),
                childFiles: Self.files("\(child)"), ownFiles: Self.files("self")))
    }

    /// Growth from the second quarter to the last, of the child that lived longest: a child that was killed
    /// took its memory with it, and the first quarter fills the allocator.
    struct Verdict: Encodable {
        var readings = 0
        var childMegabytes = 0.0
        var childGrowthMegabytes = 0.0
        var ownGrowthMegabytes = 0.0
        var childFilesGrowth = 0
        var ownFilesGrowth = 0

        var isFlat: Bool {
            childGrowthMegabytes <= 16 && ownGrowthMegabytes <= 16 && childFilesGrowth <= 0
                && ownFilesGrowth <= 0
        }

        private enum CodingKeys: String, CodingKey {
            case readings
            case childMegabytes = "child_mb"
            case childGrowthMegabytes = "child_growth_mb"
            case ownGrowthMegabytes = "own_growth_mb"
            case childFilesGrowth = "child_files_growth"
            case ownFilesGrowth = "own_files_growth"
        }
    }

    var verdict: Verdict {
        let children = Dictionary(grouping: readings, by: \.pid).values
        guard let longest = children.max(by: { $0.count < $1.count }), longest.count >= 8 else {
            return Verdict(readings: readings.count)
        }
        func growth(_ readings: [Reading], _ value: (Reading) -> Int) -> Int {
            let quarter = readings.count / 4
            func median(_ part: ArraySlice<Reading>) -> Int {
                part.map(value).sorted()[part.count / 2]
            }
            return median(readings.suffix(quarter)) - median(readings[quarter..<(2 * quarter)])
        }
        func megabytes(_ bytes: Int) -> Double { (Double(bytes) / 1e5).rounded() / 10 }
        return Verdict(
            readings: readings.count,
            childMegabytes: megabytes(longest.map(\.childBytes).max() ?? 0),
            childGrowthMegabytes: megabytes(growth(longest) { $0.childBytes }),
            ownGrowthMegabytes: megabytes(growth(readings) { $0.ownBytes }),
            childFilesGrowth: growth(longest) { $0.childFiles },
            ownFilesGrowth: growth(readings) { $0.ownFiles })
    }

    private static func resident(_ process: String) -> Int {
        let text = try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)
        let pages = text?.split(separator: " ").compactMap { Int($0) } ?? []
        return pages.count > 1 ? pages[1] * 4096 : 0
    }

    private static func files(_ process: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count) ?? 0
    }
}
