import ArgumentParser
import Jobs
import Runner
import VideoFrames

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look at all that a run needs; exit 1 when something would fail.")

    @OptionGroup(title: "Global options") var global: GlobalOptions
    @OptionGroup var device: DeviceOptions

    @Option(help: ArgumentHelp("Model directory (default: embedded).", valueName: "dir"))
    var model: String?

    func run() async throws {
        let sampler = SamplerLaunch.start()
        let doctor = Doctor(
            queue: try global.location, model: model, device: device.name, torch: device.torch)
        let findings = await doctor.examine(sampler)
        await sampler.shutDown()
        for finding in findings {
            if global.json {
                try JSONLine.print(finding)
            } else if !global.quiet || finding.level != .ok {
                print(Self.line(finding))
            }
        }
        if findings.contains(where: { $0.level == .error }) { throw ExitCode(1) }
    }

    private static func line(_ finding: Finding) -> String {
        let level = finding.level.rawValue
        let subject = finding.subject
        return level + String(repeating: " ", count: max(1, 9 - level.count)) + subject
            + String(repeating: " ", count: max(1, 12 - subject.count)) + finding.detail
    }
}
