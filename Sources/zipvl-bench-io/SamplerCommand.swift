import ArgumentParser
import VideoFrames

/// The hidden verb that runs the sampling child.
struct SamplerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "__sampler", abstract: "Runs the sampling child.", shouldDisplay: false)

    func run() throws {
        throw ExitCode(SamplerChild.run())
    }
}
