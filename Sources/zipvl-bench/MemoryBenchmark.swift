import ArgumentParser
import FoundationEssentials
import LongVA
import SparsePrefill
import Torch

/// Peak memory of one prefill: a process of its own, since libtorch gives nothing back that it has once taken, so that
/// what is free at its end is the least that was.
struct MemoryBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory",
        abstract: "Peak memory of one prefill of a random decoder.")

    @OptionGroup var sizes: DecoderOptions
    @OptionGroup var machine: BenchMachine

    @Option(help: "A method of `prefill`.")
    var method: String = "full"

    @Option(help: "Prompt length in tokens.")
    var tokens: Int = 9256

    @Option(help: "Attention threshold of zipvl; the share that fixed and hired keep is 0.421.")
    var tau: Double = 0.975

    @Flag(help: "Planted columns, as `prefill --plant-ratio` has them.")
    var planted = false

    @Option(
        help: "Their factors by layer, separated by commas; other methods than zipvl have none.")
    var stretch: String = ""

    @Option(help: "zipvl rounds the number of kept tokens up to a multiple.")
    var selectBucket: Int = 1

    @Option(help: "as-is or fp8.")
    var weights: String = "as-is"

    @Option(
        help: "Rows on which the feed-forward layers run together, instead of the usual number.")
    var feedForwardRows: Int?

    @Option(help: "Bytes that other processes hold on the device.")
    var others: Int = 0

    struct Line: Codable {
        var benchmark = "memory"
        let method: String
        let tokens: Int
        let weights: String
        /// Everything that the process held at most: CUDA's context, weights, prefill.
        let peak_bytes: Int
        /// Of that, what was taken after the weights were loaded.
        let above_start_bytes: Int
    }

    func run() throws {
        guard let format = WeightFormat(rawValue: weights) else {
            throw ValidationError("--weights takes as-is or fp8, not \"\(weights)\"")
        }
        guard feedForwardRows ?? 1 > 0 else {
            throw ValidationError("--feed-forward-rows must be positive")
        }
        guard tokens >= 256, PrefillVariant.names.contains(method) else {
            throw ValidationError("--method \(method) at \(tokens) tokens cannot be measured")
        }
        let factors = try list(stretch, "--stretch", "numbers") { Float($0) }
        let machine = try machine.load()
        let shape = try sizes.resolved()
        let decoder = try DecoderRun(
            shape, format, planted: planted, rows: feedForwardRows, on: machine)
        guard
            var variant = decoder.variants(
                method, tokens: tokens, ratio: 0.421, tau: tau, schedules: [.uniform],
                bucket: selectBucket
            ).first
        else { return }
        if variant.shares != nil { variant.stretch = factors }
        let loaded = try used(machine)
        let result = try decoder.measure(variant, tokens: tokens)
        let peak = try result.peakBytes ?? used(machine)
        try printLine(
            Line(
                method: method, tokens: tokens, weights: weights, peak_bytes: peak,
                above_start_bytes: peak - loaded))
    }

    /// Bytes that this process holds: of the device, else resident.
    private func used(_ machine: LoadedMachine) throws -> Int {
        if let gpu = machine.gpu { return try gpu.totalMemory - gpu.freeMemory() - others }
        return ResidentMemory.now() ?? 0
    }

    /// The line of another process that measures the variant.
    static func measured(
        _ variant: PrefillVariant, tokens n: Int, isPlanted: Bool, _ sizes: DecoderOptions,
        _ machine: LoadedMachine, torch: String?
    ) throws -> Line {
        let others = try machine.gpu.map { try $0.totalMemory - $0.freeMemory() } ?? 0
        var arguments =
            ["memory"] + sizes.arguments + [
                "--device", machine.place.description, "--seed", "\(machine.seed)",
                "--method", variant.name, "--tokens", "\(n)",
                "--tau", "\(variant.configuration.tau)",
                "--select-bucket", "\(variant.configuration.selectBucket)",
                "--weights", variant.weights.rawValue, "--others", "\(others)",
            ]
        if isPlanted { arguments.append("--planted") }
        if let torch { arguments += ["--torch", torch] }
        if !variant.stretch.isEmpty {
            // In one word: a factor may be negative.
            arguments.append("--stretch=" + variant.stretch.map { "\($0)" }.joined(separator: ","))
        }
        for line in try OwnProcess.lines(arguments) {
            return try JSONDecoder().decode(Line.self, from: line)
        }
        throw ChildFailed(arguments: arguments, status: 0)
    }
}
