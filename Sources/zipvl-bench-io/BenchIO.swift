import ArgumentParser

/// Benchmarks of everything before the model.
@main
struct BenchIO: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zipvl-bench-io", abstract: "Measures frame sampling.",
        subcommands: [SampleCommand.self, FuzzCommand.self, SamplerCommand.self])
}
