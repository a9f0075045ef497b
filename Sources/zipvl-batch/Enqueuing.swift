import Foundation
import Jobs
import Runner
import VideoFrames

/// Looks at the files, inserts the jobs, and says what became of each.
struct Enqueuing {
    var global: GlobalOptions
    var isDryRun = false

    @discardableResult
    func run(
        _ items: [EnqueueItem], _ template: Enqueuer.Template, _ spec: BatchSpec
    ) async throws -> EnqueueReport {
        let queue = try global.openQueue()
        let sampler = SamplerLaunch.start()
        let enqueuer = Enqueuer(queue: queue) { try await sampler.probe(path: $0) }
        let showsProgress = Terminal.showsErrors && !global.quiet && !global.json
        let jobs = try await enqueuer.jobs(items, template) { done, all in
            if showsProgress { Terminal.write("\r\u{1B}[Klooking at videos: \(done) of \(all)") }
        }
        if showsProgress { Terminal.write("\r\u{1B}[K") }
        await sampler.shutDown()
        if isDryRun {
            try show(jobs)
            return EnqueueReport(inserted: [], reused: [], rejected: [])
        }
        let report = try await queue.enqueue(spec, jobs)
        try show(report, jobs, batch: spec.name)
        return report
    }

    private struct Line: Encodable {
        var result: String
        var jobID: JobID?
        var video: String?
        var question: String?
        var state: String?
        var reason: String?

        enum CodingKeys: String, CodingKey {
            case result
            case jobID = "job_id"
            case video, question, state, reason
        }
    }

    private func show(_ jobs: [NewJob]) throws {
        for job in jobs {
            let result = job.failure == nil ? "would_insert" : "would_reject"
            if global.json {
                try JSONLine.print(
                    Line(
                        result: result, video: job.video.path, question: job.question,
                        reason: job.failure?.message))
            } else {
                let reason = job.failure.map { ": \($0.message)" } ?? ""
                print(
                    "\(job.failure == nil ? "queue " : "reject")  \(job.video.path)  "
                        + "\(job.question)\(reason)")
            }
        }
        let bad = jobs.filter { $0.failure != nil }.count
        global.say(
            "would queue \(jobs.count - bad) (less those that are there already) and reject \(bad); "
                + "nothing was written")
    }

    private func show(_ report: EnqueueReport, _ jobs: [NewJob], batch: String) throws {
        let rejected = jobs.filter { $0.failure != nil }
        if global.json {
            for id in report.inserted { try JSONLine.print(Line(result: "inserted", jobID: id)) }
            for job in report.reused {
                try JSONLine.print(
                    Line(
                        result: "reused", jobID: job.job, video: job.path, question: job.question,
                        state: job.state.rawValue,
                        reason: "the same question, content and settings"))
            }
            for id in report.rejected { try JSONLine.print(Line(result: "rejected", jobID: id)) }
            return
        }
        var states: [String: Int] = [:]
        for job in report.reused {
            states[job.state.rawValue, default: 0] += 1
            if global.verbose {
                print("reused: job \(job.job) (\(job.state.rawValue)) asks the same of \(job.path)")
            }
        }
        var complained: Set<String> = []
        for job in rejected where complained.insert(job.video.path).inserted {
            Terminal.complain("rejected: \(job.failure?.message ?? job.video.path)")
        }
        let reasons = states.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        let reused =
            reasons.isEmpty
            ? "0 reused"
            : "\(report.reused.count) reused "
                + "(same question, content and settings: \(reasons.joined(separator: ", ")))"
        global.say(
            "\(batch): \(report.inserted.count) queued, \(reused), \(report.rejected.count) rejected"
        )
    }
}
