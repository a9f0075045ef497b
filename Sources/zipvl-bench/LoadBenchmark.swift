import ArgumentParser
import FoundationEssentials
import LongVA
import Torch

/// How fast a model directory comes onto the device, beside plain reading of the same files.
struct LoadBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Time to open a model, and the rate at which its weights reach the device.")

    @OptionGroup var machine: BenchMachine

    @Option(help: "Model directory.")
    var model: String

    @Option(help: "as-is or fp8.")
    var weights: String = "as-is"

    private struct Line: Encodable {
        let benchmark = "load"
        let device_name: String
        let torch: String
        let weights: String
        let gigabytes: Double
        let seconds: Double
        let gb_per_s: Double
    }

    func validate() throws {
        guard ModelOptions.WeightFormat(rawValue: weights) != nil else {
            throw ValidationError("--weights takes as-is or fp8, not \"\(weights)\"")
        }
    }

    func run() throws {
        let machine = try machine.load()
        let files = try FileManager.default.contentsOfDirectory(atPath: model)
            .filter { $0.hasSuffix(".safetensors") }
        let bytes = try files.reduce(0) { sum, name in
            let size = try FileManager.default.attributesOfItem(atPath: model + "/" + name)[.size]
            // Which number type it is depends on the Foundation.
            return sum + ((size as? UInt64).map { Int($0) } ?? size as? Int ?? 0)
        }
        let start = ContinuousClock.now
        let opened = try LongVAModel(
            ModelOptions(
                directory: model, device: machine.place.description,
                weights: ModelOptions.WeightFormat(rawValue: weights) ?? .asIs))
        try machine.gpu?.synchronize()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        try withExtendedLifetime(opened) {
            try printLine(
                Line(
                    device_name: machine.deviceName, torch: machine.torch, weights: weights,
                    gigabytes: Double(bytes) / 1e9, seconds: seconds,
                    gb_per_s: Double(bytes) / 1e9 / seconds))
        }
    }
}
