import ArgumentParser
import LongVA
import SparsePrefill
import Torch

/// Where a benchmark runs, the same options for all.
struct BenchMachine: ParsableArguments {
    @Option(help: "cpu or cuda:N.")
    var device: String = "cpu"

    @Option(help: "Folder of libtorch or of the Python package torch.")
    var torch: String?

    @Option(help: "Seed of weights, prompts and frames.")
    var seed: UInt64 = 0

    /// Loads libtorch, once for the whole process.
    func load() throws -> LoadedMachine {
        guard let place = Device(device) else {
            throw ValidationError("--device \(device): expected cpu or cuda:N")
        }
        let library = try TorchLibrary.load(explicit: torch)
        if place != .cpu { try library.loadCUDA() }
        TorchLibrary.disableGradients()
        var gpu: CUDADevice?
        if case .cuda(let index) = place { gpu = try CUDADevice.device(index) }
        return LoadedMachine(
            place: place, dtype: ModelOptions.resolve(.auto, on: place), gpu: gpu,
            torch: library.version, seed: seed)
    }
}

struct LoadedMachine {
    let place: Device
    let dtype: DType
    /// `nil` on the CPU.
    let gpu: CUDADevice?
    let torch: String
    let seed: UInt64

    var isCPU: Bool { place == .cpu }

    /// The driver's name for a GPU.
    var deviceName: String { gpu?.name ?? "cpu" }

    func weights(_ source: any TensorSource, _ format: WeightFormat) -> Weights {
        format.weights(source, self)
    }

    /// Waits until what was queued for `tensor` is done.
    func wait(for tensor: Tensor) throws {
        var part = tensor
        for axis in tensor.shape.indices { part = try part.narrowed(axis, from: 0, count: 1) }
        _ = try part.converted(to: .float32).values(as: Float.self)
    }

    /// - Returns: milliseconds from an idle device to an idle device.
    func milliseconds(_ body: () throws -> Tensor) throws -> Double {
        let start = ContinuousClock.now
        try wait(for: body())
        return (ContinuousClock.now - start) / .milliseconds(1)
    }
}

/// How a model's matrices are held.
enum WeightFormat: String, CaseIterable, ExpressibleByArgument {
    case asIs = "as-is"
    /// e4m3 with one scale a row.
    case fp8

    func weights(_ source: any TensorSource, _ machine: LoadedMachine) -> Weights {
        Weights(
            source, device: machine.place, dtype: machine.dtype,
            format: self == .asIs ? .asIs : .e4m3)
    }
}

/// Comma-separated values of an option.
func list<T>(_ text: String, _ option: String, _ expected: String, _ parse: (String) -> T?) throws
    -> [T]
{
    try text.split(separator: ",").map {
        guard let value = parse(String($0)) else {
            throw ValidationError("\(option) takes \(expected), not \"\($0)\"")
        }
        return value
    }
}
