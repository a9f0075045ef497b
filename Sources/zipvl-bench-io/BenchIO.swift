import ArgumentParser

/// Benchmarks of everything before the model.
@main
struct BenchIO: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zipvl-bench-io", abstract: "Measures frame sampling and the queue.",
        subcommands: [SampleCommand.self, FuzzCommand.self, SamplerCommand.self, QueueCommand.self])
}
