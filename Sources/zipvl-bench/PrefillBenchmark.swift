import ArgumentParser
import LongVA
import SparsePrefill
import Torch

/// Prefill of a decoder with random weights, every method on the same prompt, interleaved so that all
/// meet the same disturbances. `ratio_to_full` compares medians of this run.
///
/// Attention of random weights is nearly even. Without `--plant-ratio`, tau is searched until zipvl keeps the wanted
/// share of 2,048 tokens (what it keeps of longer prompts is printed); with it, columns are planted so that every
/// layer keeps its share at the given tau (`PlantedColumns`). What is compared is the work, not what it is worth.
struct PrefillBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prefill",
        abstract: "Prefill of a random decoder by method: times, work and peak memory.")

    @OptionGroup var sizes: DecoderOptions
    @OptionGroup var machine: BenchMachine

    @Option(
        help: "Methods, separated by commas, or all. zipvl also as zipvl:rows=keys, zipvl:ffn=kept."
    )
    var methods: String = "all"

    @Option(help: "Prompt lengths in tokens, separated by commas.")
    var tokens: String = "4096,9216,18432"

    @Option(help: "Measured runs of each method, after one to warm up.")
    var runs: Int = 3

    @Option(
        help: "Seconds that the warm-up of a length lasts at least: a GPU slows down under load.")
    var sustain: Double = 0

    @Option(
        help: "Seconds that each rate of the roofline is measured for; 0 leaves the roofline out.")
    var roofline: Double = 0

    @Option(help: "Share of the tokens that zipvl, fixed and hired keep.")
    var ratio: Double = 0.42

    @Option(help: "The same for zipvl, by planted columns: each layer keeps its share at --tau.")
    var plantRatio: Double?

    @Option(help: "Attention threshold of zipvl with --plant-ratio.")
    var tau: Double = 0.975

    @Option(
        help: "Shares of the layers with --plant-ratio: uniform, four-level, separated by commas.")
    var schedule: String = "uniform"

    @Option(
        help: "zipvl rounds the number of kept tokens up to a multiple. (default: 1; 256 on a GPU)")
    var selectBucket: Int?

    @Option(help: "as-is, fp8, separated by commas.")
    var weights: String = "as-is"

    @Option(help: "The engine's own kernels: on or off.")
    var kernels: String = "on"

    @Flag(help: "Measure peak memory too, each in a process of its own.")
    var memory = false

    @Flag(
        inversion: .prefixedNo,
        help: "First compare every method with the plain operators, at 2,304 tokens or fewer.")
    var check = true

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs must be positive, not \(runs)") }
        for (name, value) in [("--ratio", ratio), ("--plant-ratio", plantRatio ?? 0.5)] {
            guard value > 0, value < 1 else {
                throw ValidationError("\(name) must be in (0, 1), not \(value)")
            }
        }
        guard tau > 0, tau < 1 else {
            throw ValidationError("--tau must be in (0, 1), not \(tau)")
        }
        _ = try parsed()
    }

    private struct Parsed {
        let methods: [String]
        let tokens: [Int]
        let schedules: [RatioSchedule]
        let weights: [WeightFormat]
        let kernels: KernelSwitch
    }

    private func parsed() throws -> Parsed {
        let switches = try list(kernels, "--kernels", "on or off", KernelSwitch.init(rawValue:))
        guard switches.count == 1 else { throw ValidationError("--kernels takes one value") }
        return Parsed(
            methods: try PrefillVariant.names(methods),
            tokens: try list(tokens, "--tokens", "numbers from 256 on") {
                Int($0).flatMap { $0 >= 256 ? $0 : nil }
            },
            schedules: try list(
                schedule, "--schedule", "uniform and four-level", RatioSchedule.init(rawValue:)),
            weights: try list(
                weights, "--weights", "as-is and fp8", WeightFormat.init(rawValue:)),
            kernels: switches[0])
    }

    func run() throws {
        let parsed = try parsed()
        let machine = try machine.load()
        let shape = try sizes.resolved()
        let decoders = try parsed.weights.map {
            try DecoderRun(shape, $0, planted: plantRatio != nil, on: machine)
        }
        parsed.kernels.apply()
        let search = plantRatio == nil && parsed.methods.contains { $0.hasPrefix("zipvl") }
        let tau = search ? try decoders[0].tau(keeping: ratio) : self.tau
        let bucket = selectBucket ?? (machine.isCPU ? 1 : 256)

        /// By `PrefillVariant.key` and `kindredKey`: what another length or variant starts from.
        var factors: [String: [Float]] = [:]
        func prepared(
            _ n: Int, isCalibrated: Bool = true
        ) throws -> [(run: DecoderLine.Run, decoder: DecoderRun)] {
            try decoders.flatMap { decoder in
                try parsed.methods.flatMap { name in
                    try decoder.variants(
                        name, tokens: n, ratio: plantRatio ?? ratio, tau: tau,
                        schedules: parsed.schedules, bucket: bucket
                    ).map { variant in
                        guard variant.shares != nil, isCalibrated else {
                            return (
                                DecoderLine.Run(
                                    variant: decoder.estimated(variant), deviation: nil), decoder
                            )
                        }
                        let found = try decoder.calibrated(
                            variant, tokens: n,
                            start: factors[variant.key] ?? factors[variant.kindredKey])
                        factors[variant.key] = found.variant.stretch
                        factors[variant.kindredKey] = found.variant.stretch
                        return (
                            DecoderLine.Run(
                                variant: found.variant, deviation: found.deviation), decoder
                        )
                    }
                }
            }
        }

        if check, parsed.kernels == .on {
            let n = min(parsed.tokens.min() ?? 2304, 2304)
            for (run, decoder) in try prepared(n, isCalibrated: false) {
                let check = try PrefillCheck(run.variant, tokens: n, on: decoder)
                try printLine(check)
                guard check.passed else {
                    throw CheckFailed(
                        "\(check.method) with \(check.weights) weights differs from the plain operators"
                    )
                }
            }
        }
        for n in parsed.tokens {
            try measure(prepared(n), tokens: n, shape, machine, parsed.kernels)
        }
    }

    private func measure(
        _ prepared: [(run: DecoderLine.Run, decoder: DecoderRun)], tokens n: Int,
        _ shape: ModelShape, _ machine: LoadedMachine, _ kernels: KernelSwitch
    ) throws {
        var lines = prepared.map(\.run)
        let start = ContinuousClock.now
        repeat {
            for (index, decoder) in prepared.map(\.decoder).enumerated() {
                lines[index].result = try decoder.measure(lines[index].variant, tokens: n)
            }
        } while (ContinuousClock.now - start) / .seconds(1) < sustain
        let rates =
            roofline > 0
            ? try Roofline(
                shape, tokens: n, on: machine, seconds: roofline,
                hasFP8: lines.contains { $0.variant.weights == .fp8 }) : nil
        if let rates {
            try printLine(
                RooflineLine(
                    shape: shape.name, device_name: machine.deviceName, torch: machine.torch,
                    tokens: n, roofline: rates))
        }
        for _ in 0..<runs {
            for (index, decoder) in prepared.map(\.decoder).enumerated() {
                let result = try decoder.measure(lines[index].variant, tokens: n)
                lines[index].times.add(result.milliseconds)
                lines[index].result = result
            }
        }
        if memory {
            for index in lines.indices {
                lines[index].memory = try MemoryBenchmark.measured(
                    lines[index].variant, tokens: n, isPlanted: plantRatio != nil, sizes,
                    machine, torch: self.machine.torch)
            }
        }
        let setting = DecoderLine.Setting(
            shape: shape, machine: machine, kernels: kernels, tokens: n, roofline: rates)
        func full(_ weights: WeightFormat) -> DecoderLine.Run? {
            lines.first { $0.variant.name == "full" && $0.variant.weights == weights }
        }
        for line in lines {
            guard let result = line.result else { continue }
            try printLine(
                DecoderLine(
                    line, result, full: full(line.variant.weights), fullAsIs: full(.asIs),
                    setting))
        }
    }
}

/// A result that is not what the plain operators give.
struct CheckFailed: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
