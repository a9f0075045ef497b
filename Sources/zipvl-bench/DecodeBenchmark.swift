import ArgumentParser
import LongVA
import SparsePrefill
import Torch

/// Greedy decoding behind a cache of random entries: milliseconds a token, interleaved, with the tokens of the
/// graph compared with those of the plain path. Random weights decide nearly by chance between close logits: that
/// the first tokens agree is what can be asked.
struct DecodeBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Decoding of a random decoder by context and batch, against the bandwidth.")

    @OptionGroup var sizes: DecoderOptions
    @OptionGroup var machine: BenchMachine

    @Option(help: "Cached entries before the first step, separated by commas.")
    var contexts: String = "9256,18472"

    @Option(
        help:
            "Sequences decoded together, separated by commas; until-full is what the memory holds.")
    var batches: String = "1"

    @Option(
        help:
            "Shares of the entries that are cached, separated by commas: 1 is full, less is discard."
    )
    var kept: String = "1"

    @Option(help: "Measured steps of each run.")
    var steps: Int = 64

    @Option(help: "Measured runs, after one to warm up.")
    var runs: Int = 3

    @Option(help: "as-is, fp8, separated by commas.")
    var weights: String = "as-is"

    @Option(help: "GB/s at which the bound is taken.")
    var bandwidth: Double = 4540

    @Option(help: "MiB that until-full leaves free.")
    var reserve: Int = 4096

    @Flag(help: "Also the device time of each kind of kernel, up to eight sequences.")
    var parts = false

    @Flag(help: "Also with kernels that begin before those in front of them have ended.")
    var overlapping = false

    @Flag(
        help:
            "Instead: search for the fastest settings of the kernels, for one sequence behind the contexts."
    )
    var tune = false

    @Option(help: "Settings of the kernels instead of the defaults, as --tune prints them.")
    var settings: String = ""

    @Flag(inversion: .prefixedNo, help: "Also the plain path, one sequence.")
    var plain = true

    private enum Batch {
        case count(Int)
        case untilFull
    }

    private struct Parsed {
        let contexts: [Int]
        let batches: [Batch]
        let kept: [Double]
        let weights: [WeightFormat]
        let tuning: DecodeTuning
    }

    func validate() throws {
        guard runs > 0, steps > 1 else {
            throw ValidationError("--runs must be positive and --steps at least 2")
        }
        guard bandwidth > 0, reserve >= 0 else {
            throw ValidationError("--bandwidth must be positive, --reserve not negative")
        }
        _ = try parsed()
    }

    private func parsed() throws -> Parsed {
        Parsed(
            contexts: try list(contexts, "--contexts", "positive numbers") {
                Int($0).flatMap { $0 > 0 ? $0 : nil }
            },
            batches: try list(batches, "--batches", "positive numbers and until-full") {
                $0 == "until-full"
                    ? .untilFull : Int($0).flatMap { $0 > 0 ? .count($0) : nil }
            },
            kept: try list(kept, "--kept", "shares in (0, 1]") {
                Double($0).flatMap { $0 > 0 && $0 <= 1 ? $0 : nil }
            },
            weights: try list(
                weights, "--weights", "as-is and fp8", WeightFormat.init(rawValue:)),
            tuning: try DecodeSettings.tuning(settings))
    }

    func run() throws {
        let parsed = try parsed()
        let machine = try machine.load()
        let shape = try sizes.resolved()
        for weights in parsed.weights {
            let decoder = try DecoderRun(shape, weights, planted: false, on: machine).decoder
            let bench = DecodeRun(
                decoder: decoder, machine: machine, steps: steps, runs: runs, tuning: parsed.tuning,
                subject: DecodeLine.Subject(
                    device: machine.deviceName, shape: shape.name, weights: weights.rawValue,
                    torch: machine.torch, bandwidth: bandwidth))
            if tune {
                try DecodeSearch(run: bench, contexts: parsed.contexts).search()
                continue
            }
            for n in parsed.contexts {
                for share in parsed.kept {
                    let context = max(1, Int(share * Double(n)))
                    for batch in parsed.batches {
                        switch batch {
                        case .count(let count):
                            try bench.measure(
                                context, batch: count, plain: plain && count == 1,
                                overlapping: overlapping,
                                parts: parts)
                        case .untilFull:
                            try bench.measureFull(context, reserve: reserve << 20)
                        }
                    }
                }
            }
        }
    }
}
