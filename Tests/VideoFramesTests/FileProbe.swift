import Foundation
import Testing

/// What the ffprobe program says of a file's first video stream.
enum FileProbe {
    /// Times of the displayed frames in ticks of the stream's clock, ascending, and the ranks of key frames
    /// among them. Only for containers that give every packet a time.
    static func packets(_ path: String) throws -> (times: [Int], keys: [Int]) {
        let packets = try list("packet=pts,flags", "packets", path)
            .filter { ($0["flags"] as? String)?.contains("D") == false }
        let times = try packets.map { try #require($0["pts"] as? Int) }
        let sorted = times.sorted()
        let keys = zip(packets, times).filter { ($0.0["flags"] as? String)?.first == "K" }
            .compactMap { sorted.firstIndex(of: $0.1) }
        return (sorted, keys.sorted())
    }

    /// Ranks of the frames that the decoder calls key frames, in the order in which it gives them out.
    static func keyFrames(_ path: String) throws -> [Int] {
        try list("frame=key_frame", "frames", path).enumerated()
            .filter { $0.element["key_frame"] as? Int == 1 }.map(\.offset)
    }

    private static func list(
        _ entries: String, _ name: String, _ path: String
    ) throws -> [[String: Any]] {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_entries", entries, "-of",
            "json", path,
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "ffprobe cannot read \(path)")
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return try #require(object?[name] as? [[String: Any]])
    }
}
