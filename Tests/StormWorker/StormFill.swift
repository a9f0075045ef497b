import Jobs

/// `storm-worker fill QUEUE NAME COUNT`: queues so many jobs about videos of this name that are not
/// there.
enum StormFill {
    static func run(_ arguments: [String]) async throws -> Int32 {
        guard arguments.count == 3, let count = Int(arguments[2]) else { return 2 }
        let name = arguments[1]
        let config = ConfigRecord(
            fingerprint: "storm", model: "stub", modelSHA256: "stub", optionsJSON: "{}")
        let jobs = (0..<count).map { number in
            NewJob(
                video: VideoRecord(
                    contentID: "sha256:\(name)\(number)", path: "/storm/\(name)-\(number).mp4",
                    sizeBytes: 1, mtimeNanoseconds: 1),
                config: config, question: "What?", maxCrashes: 1000)
        }
        let queue = try QueueLocation(arguments[0]).open()
        let spec = BatchSpec(name: name, source: "-", specJSON: "{}")
        print(try await queue.enqueue(spec, jobs).inserted.count)
        return 0
    }
}
