import ArgumentParser
import Jobs

struct RescueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rescue",
        abstract: "Take back jobs of workers that died, as every worker does when it is idle.")

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private struct Line: Encodable {
        var jobID: JobID
        var attemptID: AttemptID
        var fate: String

        enum CodingKeys: String, CodingKey {
            case jobID = "job_id"
            case attemptID = "attempt_id"
            case fate
        }
    }

    func run() async throws {
        let rescued = try await global.writeQueue().rescue()
        for job in rescued {
            let fate =
                switch job.fate {
                case .requeued: "requeued"
                case .quarantined: "quarantined"
                case .cancelled: "cancelled"
                }
            if global.json {
                try JSONLine.print(Line(jobID: job.job, attemptID: job.attempt, fate: fate))
            } else {
                print("job \(job.job): \(fate)")
            }
        }
        global.say("\(rescued.count) \(rescued.count == 1 ? "job" : "jobs") taken back")
    }
}
