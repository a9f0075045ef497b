import Foundation
import Testing

@testable import Jobs

@Suite(.serialized) struct EnqueueConformance {
    @Test(arguments: BackendUnderTest.all)
    func `new jobs are queued in their order and seen by another process`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            let jobs = try await test.enqueue(3)
            #expect(jobs == jobs.sorted() && Set(jobs).count == 3)
            let rows = try await test.another().list(JobSelection(), limit: 9)
            #expect(rows.map(\.jobID) == jobs)
            #expect(rows.map(\.video) == ["/videos/0.mp4", "/videos/1.mp4", "/videos/2.mp4"])
            #expect(rows.allSatisfy { $0.state == .queued && $0.attemptsMade == 0 })
            #expect(rows.allSatisfy { $0.batch == "night" && $0.progress == nil })
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `the same question about the same content is one job`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let job = try await test.enqueue(1)[0]
            var again = NewJob.sample(video: 0)
            again.video.path = "/videos/renamed.mp4"
            again.customID = "other"
            again.expected = "3"
            again.priority = 7
            again.queue = "other"
            let report = try await test.queue.enqueue(.sample, [again, .sample(video: 1)])
            #expect(report.reused.map(\.job) == [job] && report.reused.map(\.state) == [.queued])
            #expect(report.reused.first?.path == "/videos/renamed.mp4")
            #expect(report.reused.first?.question == "How many cars?")
            #expect(report.inserted.count == 1 && report.rejected.isEmpty)
            let row = try await test.row(job)
            #expect(row.video == "/videos/renamed.mp4", "the file has moved, so must the worker")
            #expect(row.priority == 0 && row.customID == nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `twins within one call are one job`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let twins = [NewJob.sample(video: 1), .sample(video: 1)]
            let report = try await test.queue.enqueue(.sample, twins)
            #expect(report.inserted.count == 1 && report.reused.map(\.job) == report.inserted)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `another question, list of choices, config or content is another job`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            var jobs = [NewJob](repeating: .sample(video: 0), count: 8)
            jobs[1].question = "How many cars? "
            jobs[2].choices = ["yes", "no"]
            jobs[3].choices = ["no", "yes"]
            jobs[4].choices = []
            jobs[5].choices = ["yes,no"]
            jobs[6].config.fingerprint = "f2"
            jobs[7].video.contentID = "sha256:1"
            let ids = try await test.enqueue(jobs)
            #expect(ids.count == 8)
        }
    }

    @Test(arguments: BackendUnderTest.all, JobState.allCases)
    func `a job is reused in every state but cancelled`(backend: BackendUnderTest, state: JobState)
        async throws
    {
        try await backend.run { test in
            let job = try await test.job(in: state)
            let report = try await test.queue.enqueue(.sample, [.sample(video: 0)])
            if state == .cancelled {
                #expect(report.inserted.count == 1 && report.inserted != [job])
            } else {
                #expect(report.reused.map(\.job) == [job] && report.reused.map(\.state) == [state])
            }
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a file that is no video is a failed row that no worker gets`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            var bad = NewJob.sample(video: 0)
            bad.video.contentID = "bad:/videos/0.mp4:0:5"
            bad.video.probeError = "no bytes"
            bad.failure = Failure(
                errorClass: .input, code: "empty", message: "/videos/0.mp4: no bytes",
                stage: "probe")
            let report = try await test.queue.enqueue(.sample, [bad])
            try #require(report.inserted.isEmpty && report.rejected.count == 1)
            let row = try await test.row(report.rejected[0])
            #expect(row.state == .failed && row.errorClass == .input && row.errorCode == "empty")
            #expect(row.errorMessage == "/videos/0.mp4: no bytes" && row.stage == "probe")
            #expect(try await test.drain(try await test.worker()).isEmpty)
            let again = try await test.queue.enqueue(.sample, [bad])
            #expect(again.reused.map(\.job) == report.rejected && again.rejected.isEmpty)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `one bad item keeps the whole call out`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            let wrongs: [(inout NewJob) -> Void] = [
                { $0.question = "" }, { $0.question = String(repeating: "é", count: 32769) },
                { $0.priority = 1001 }, { $0.priority = -1001 }, { $0.maxAttempts = 0 },
                { $0.maxCrashes = 0 }, { $0.queue = "" },
            ]
            for wrong in wrongs {
                var bad = NewJob.sample(video: 1)
                wrong(&bad)
                let items = [NewJob.sample(video: 0), bad]
                let kind = await errorKind { _ = try await test.queue.enqueue(.sample, items) }
                #expect(kind == .invalid)
            }
            #expect(try await test.queue.list(JobSelection(), limit: 9).isEmpty)
            #expect(try await test.queue.status(batch: nil).isEmpty)
            let known = try await test.queue.knownVideo(
                path: "/videos/0.mp4", sizeBytes: 100, mtimeNanoseconds: 5)
            #expect(known == nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `the longest question and the extreme priorities are taken`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            var jobs = [NewJob.sample(video: 0), .sample(video: 1), .sample(video: 2)]
            jobs[0].question = String(repeating: "é", count: 32768)
            jobs[1].priority = 1000
            jobs[2].priority = -1000
            let ids = try await test.enqueue(jobs)
            #expect(try await test.row(ids[0]).question == jobs[0].question)
            let order = try await test.drain(try await test.worker())
            #expect(order == [ids[1], ids[0], ids[2]])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `an unknown queue is made by its first job`(backend: BackendUnderTest) async throws {
        try await backend.run { test in
            #expect(
                try await test.queue.queues()
                    == [QueueRow(queue: "default", isPaused: false, queued: 0, running: 0)])
            try await test.enqueue(2) { $0.queue = "night shift" }
            #expect(
                try await test.queue.queues() == [
                    QueueRow(queue: "default", isPaused: false, queued: 0, running: 0),
                    QueueRow(queue: "night shift", isPaused: false, queued: 2, running: 0),
                ])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a call that only reuses, or has no items, leaves no batch`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            try await test.enqueue(1)
            let day = BatchSpec(name: "day", source: "-", specJSON: "{}")
            _ = try await test.queue.enqueue(day, [.sample(video: 0)])
            #expect(try await test.queue.enqueue(day, []).inserted.isEmpty)
            #expect(try await test.queue.status(batch: nil).map(\.batch) == ["night"])
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `a known file need not be read again, a touched or bad one must`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            var job = NewJob.sample(video: 1)
            job.video.frameCount = 250
            job.video.framesPerSecond = 29.97
            job.video.durationMilliseconds = 8342
            job.video.codec = "h264"
            var bad = NewJob.sample(video: 2)
            bad.video.contentID = "bad:/videos/2.mp4:100:5"
            bad.failure = .sample(.input)
            _ = try await test.queue.enqueue(.sample, [job, bad])
            func known(_ path: String, _ size: Int64, _ time: Int64) async throws -> VideoRecord? {
                try await test.queue.knownVideo(
                    path: path, sizeBytes: size, mtimeNanoseconds: time)
            }
            #expect(try await known("/videos/1.mp4", 100, 5) == job.video)
            #expect(try await known("/videos/1.mp4", 100, 6) == nil)
            #expect(try await known("/videos/1.mp4", 101, 5) == nil)
            #expect(try await known("/videos/3.mp4", 100, 5) == nil)
            #expect(try await known("/videos/2.mp4", 100, 5) == nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `what was found out about a video is kept when a later look knows less`(
        backend: BackendUnderTest
    ) async throws {
        try await backend.run { test in
            var first = NewJob.sample(video: 1)
            first.video.codec = "vp9"
            first.video.width = 640
            first.video.probeError = "late start"
            var second = NewJob.sample(video: 1, question: "And now?")
            second.video.width = 320
            second.video.mtimeNanoseconds = 6
            let jobs = try await test.enqueue([first, second])
            let video = try #require(try await test.queue.show(jobs[0])).video
            #expect(video["codec"] == "vp9" && video["width_px"] == "320")
            #expect(video["mtime_ns"] == "6" && video["probe_error"] == nil)
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `of copies of a file, and of a model, the last named is taken`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            var jobs = (0..<3).map { NewJob.sample(video: 1, question: "Question \($0)?") }
            jobs[1].video.path = "/videos/copy.mp4"
            jobs[1].config.model = "/models/copy"
            let ids = try await test.enqueue(jobs)
            #expect(try await test.row(ids[1]).video == "/videos/1.mp4")
            #expect(try await test.queue.show(ids[1])?.model == "embedded")
        }
    }

    @Test(arguments: BackendUnderTest.all)
    func `many processes that enqueue the same make each job once`(backend: BackendUnderTest)
        async throws
    {
        try await backend.run { test in
            let second = try await test.another()
            let items = (0..<20).map { NewJob.sample(video: $0) }
            let reports = try await withThrowingTaskGroup(of: EnqueueReport.self) { group in
                for index in 0..<6 {
                    let queue = index.isMultiple(of: 2) ? test.queue : second
                    group.addTask { try await queue.enqueue(.sample, items) }
                }
                return try await group.reduce(into: [EnqueueReport]()) { $0.append($1) }
            }
            let inserted = reports.flatMap(\.inserted)
            #expect(inserted.count == 20 && Set(inserted).count == 20)
            #expect(reports.flatMap(\.reused).count == 100)
            #expect(try await test.queue.list(JobSelection(), limit: 99).count == 20)
        }
    }
}
