import ArgumentParser
import VideoFrames

/// Hidden: the body of the sampling child.
struct SamplerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "__sampler", abstract: "Samples frames for the parent process.",
        shouldDisplay: false)

    func run() throws {
        throw ExitCode(SamplerChild.run())
    }
}
