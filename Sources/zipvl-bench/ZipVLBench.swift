import ArgumentParser

/// Times the model's side alone: no FFmpeg and no SQLite, so that it runs on a bare GPU machine.
@main
struct ZipVLBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zipvl-bench",
        abstract: "Times the model on what it makes from a seed; prints JSON lines.",
        subcommands: [
            PrefillBenchmark.self, DecodeBenchmark.self, VisionBenchmark.self,
            EndToEndBenchmark.self, VideoBenchmark.self, MemoryBenchmark.self, SoakBenchmark.self,
            Figure6.self, KernelBenchmark.self, AgreeBenchmark.self, LoadBenchmark.self,
        ])
}
