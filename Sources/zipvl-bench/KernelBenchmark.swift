import ArgumentParser
import Torch

/// Every fused operation on random sizes beside its plain twin: largest relative error, time and bandwidth. Ends with
/// an error when one differs by more than its limit.
struct KernelBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Every kernel against plain operators on random sizes.")

    @OptionGroup var machine: BenchMachine

    @Option(help: "Random sizes of each operation.")
    var rounds: Int = 5

    @Option(help: "Only operations whose name contains this.")
    var only: String = ""

    @Flag(help: "Small sizes, no times: for compute-sanitizer.")
    var quick = false

    struct Line: Encodable {
        let benchmark = "kernels"
        let operation: String
        let size: String
        let device_name: String
        /// Whether a kernel may run at all; else both sides are the plain operators.
        let kernels: Bool
        let relative_error: Double
        let limit: Double
        let passed: Bool
        let milliseconds: Double?
        let plain_milliseconds: Double?
        let gb_s: Double?
    }

    func run() throws {
        let machine = try machine.load()
        var failures: [String] = []
        for round in 0..<rounds {
            for (index, entry) in KernelTrials.all.enumerated() {
                var maker = TrialMaker(
                    machine, isQuick: quick, number: round * KernelTrials.all.count + index)
                let trial = try entry(&maker)
                guard only.isEmpty || trial.operation.contains(only) else { continue }
                let line = try measure(trial, machine)
                try printLine(line)
                if !line.passed { failures.append("\(line.operation) \(line.size)") }
            }
        }
        guard failures.isEmpty else {
            throw CheckFailed(
                "differ from the plain operators: \(failures.joined(separator: "; "))")
        }
    }

    private func measure(_ trial: KernelTrial, _ machine: LoadedMachine) throws -> Line {
        let inputs = try trial.inputs()
        // What an operation leaves unwritten shall not look right by chance.
        try machine.poison(bytes: trial.bytes)
        let fused = try trial.fused(inputs)
        let plain = try trial.plain(trial.inputs())
        var error = fused.count == plain.count ? 0.0 : .infinity
        for (a, b) in zip(fused, plain) {
            let one = try relativeError(a, b)
            // A NaN compares with nothing.
            error = one <= error ? error : one
        }
        var (time, plainTime): (Double?, Double?) = (nil, nil)
        if !quick {
            let seconds = machine.isCPU ? 0.002 : 0.02
            func perCall(_ body: ([Tensor]) throws -> [Tensor]) throws -> Double {
                try machine.secondsPerCall(for: seconds) { try body(inputs)[0] } * 1000
            }
            time = try perCall(trial.fused)
            plainTime = try perCall(trial.plain)
        }
        return Line(
            operation: trial.operation, size: trial.size, device_name: machine.deviceName,
            kernels: try Kernels.device(inputs[0]) != nil, relative_error: error,
            limit: trial.limit, passed: error <= trial.limit, milliseconds: time,
            plain_milliseconds: plainTime, gb_s: time.map { Double(trial.bytes) / $0 / 1e6 })
    }

    private func relativeError(_ a: Tensor, _ b: Tensor) throws -> Double {
        guard a.shape == b.shape else { return .infinity }
        func square(_ x: Tensor) throws -> Double {
            let flat = try x.reshaped([-1])
            return Double(try (flat * flat).sum([0]).values(as: Float.self)[0])
        }
        let wide = try b.converted(to: .float32)
        let difference = try square(a.converted(to: .float32) - wide)
        let size = try square(wide)
        return size > 0 ? (difference / size).squareRoot() : difference == 0 ? 0 : .infinity
    }
}

extension LoadedMachine {
    /// Leaves memory full of NaN to whoever allocates next.
    func poison(bytes: Int) throws {
        _ = try Tensor.filled(.nan, [max(1, bytes / 4)], .float32, on: place)
    }
}
