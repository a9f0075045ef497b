import ArgumentParser
import LongVA
import Torch

/// Vision tower, projector and pooling on frames that are on the device already, as the tower takes them there: bytes on
/// a GPU, normalised pixels on the CPU. By frames, frames at once and weights; all interleaved.
struct VisionBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vision",
        abstract: "Vision tower, projector and pooling of a random model.")

    @OptionGroup var machine: BenchMachine

    @Option(help: "longva-7b or tiny.")
    var shape: String = "longva-7b"

    @Flag(help: "Weights from the seed: the only ones that this command has.")
    var random = false

    @Option(help: "Numbers of frames, separated by commas.")
    var frames: String = "64,128"

    @Option(help: "Frames that go through the tower together, separated by commas.")
    var batches: String = "32,64"

    @Option(help: "as-is, fp8, separated by commas.")
    var weights: String = "as-is"

    @Option(help: "Measured runs, after one to warm up.")
    var runs: Int = 5

    @Option(help: "Seconds that the warm-up lasts at least.")
    var sustain: Double = 0

    @Flag(inversion: .prefixedNo, help: "First compare with the plain operators.")
    var check = true

    private struct Line: Encodable {
        let benchmark = "vision"
        let shape: String
        let device: String
        let device_name: String
        let torch: String
        let weights: String
        let frames: Int
        let batch: Int
        let runs: Int
        /// What the times have in them.
        let includes: String
        /// All that is included.
        let vision_ms_median: Double
        let vision_ms_min: Double
        let vision_ms_max: Double
        let tower_ms_median: Double
        let projector_ms_median: Double
        let tflops: Double
        let check_relative_error: Double?
    }

    /// The part of a model that sees.
    private struct Eye {
        let weights: WeightFormat
        let tower: CLIPVisionTower
        let projector: MultimodalProjector
        let pooling: SpatialPooling
    }

    private struct Run {
        let eye: Eye
        let batch: Int
        var tower = Measurement()
        var projector = Measurement()
        var total = Measurement()
    }

    func run() throws {
        guard let shape = ModelShape.named(shape) else {
            throw ValidationError("--shape: \(shape) is not a known shape")
        }
        guard runs > 0 else { throw ValidationError("--runs must be positive, not \(runs)") }
        let counts = try list(frames, "--frames", "positive numbers", Self.positive)
        let batches = try list(batches, "--batches", "positive numbers", Self.positive)
        let formats = try list(
            weights, "--weights", "as-is and fp8", WeightFormat.init(rawValue:))
        let machine = try machine.load()
        let eyes = try formats.map { try eye(shape, $0, machine) }
        var errors: [WeightFormat: Double] = [:]
        if check {
            for eye in eyes { errors[eye.weights] = try compare(eye, shape, machine) }
        }
        for count in counts {
            var lines = eyes.flatMap { eye in batches.map { Run(eye: eye, batch: min($0, count)) } }
            let input = try input(count, shape, machine)
            let start = ContinuousClock.now
            repeat {
                for index in lines.indices { try measure(&lines[index], input, machine) }
            } while (ContinuousClock.now - start) / .seconds(1) < sustain
            lines = lines.map { Run(eye: $0.eye, batch: $0.batch) }
            for _ in 0..<runs {
                for index in lines.indices { try measure(&lines[index], input, machine) }
            }
            for line in lines {
                try printLine(
                    Line(
                        shape: shape.name, device: machine.place.description,
                        device_name: machine.deviceName, torch: machine.torch,
                        weights: line.eye.weights.rawValue, frames: count, batch: line.batch,
                        runs: line.total.count, includes: Self.steps(line.eye),
                        vision_ms_median: line.total.median,
                        vision_ms_min: line.total.least, vision_ms_max: line.total.most,
                        tower_ms_median: line.tower.median,
                        projector_ms_median: line.projector.median,
                        tflops: Self.flops(shape) * Double(count) / line.total.median / 1e9,
                        check_relative_error: errors[line.eye.weights]))
            }
        }
    }

    private static func positive(_ text: String) -> Int? {
        Int(text).flatMap { $0 > 0 ? $0 : nil }
    }

    private func eye(
        _ shape: ModelShape, _ format: WeightFormat, _ machine: LoadedMachine
    ) throws -> Eye {
        let source = RandomWeights(
            seed: machine.seed, on: machine.place, machine.dtype,
            layers: shape.vision.layerCount)
        let weights = machine.weights(source, format)
        return Eye(
            weights: format,
            tower: try CLIPVisionTower(
                weights[CheckpointLayout.visionPrefix], shape.vision,
                selectLayer: shape.configuration.selectLayer),
            projector: try MultimodalProjector(
                weights["model"]["mm_projector"], visionWidth: shape.vision.width,
                hiddenSize: shape.configuration.hiddenSize),
            pooling: SpatialPooling(
                grid: shape.vision.grid, stride: shape.configuration.poolStride))
    }

    private static func steps(_ eye: Eye) -> String {
        (eye.tower.takesBytes ? "normalisation from bytes, " : "") + "tower, projector, pooling"
    }

    /// What towers take on this device: bytes [N, S, S, 3], or as after normalisation, from about -2 to 2,
    /// [N, 3, S, S].
    private func input(
        _ count: Int, _ shape: ModelShape, _ machine: LoadedMachine
    ) throws -> Tensor {
        let side = shape.vision.imageSize
        guard !machine.isCPU else {
            return try Tensor.uniform(
                [count, 3, side, side], bound: 2, seed: machine.seed, stream: -3, machine.dtype,
                on: machine.place)
        }
        let values = try Tensor.uniform(
            [count, side, side, 3], bound: 128, seed: machine.seed, stream: -3, on: machine.place)
        return try (values + Tensor.scalar(128)).converted(to: .uint8)
    }

    private func measure(
        _ run: inout Run, _ input: Tensor, _ machine: LoadedMachine
    ) throws {
        let count = input.shape[0]
        let eye = run.eye
        let batch = run.batch
        func each(_ body: (Int, Int) throws -> Tensor) throws -> [Tensor] {
            try stride(from: 0, to: count, by: batch).map { try body($0, min(batch, count - $0)) }
        }
        var features: [Tensor] = []
        run.tower.add(
            try machine.milliseconds {
                features = try each { start, size in
                    try eye.tower(input.narrowed(0, from: start, count: size))
                }
                return features[features.count - 1]
            })
        run.projector.add(
            try machine.milliseconds {
                let parts = try features.map { try eye.pooling(eye.projector($0)) }
                return try Tensor.concatenated(parts, axis: 0)
            })
        features = []
        run.total.add(
            try machine.milliseconds {
                let parts = try each { start, size in
                    try eye.pooling(
                        eye.projector(eye.tower(input.narrowed(0, from: start, count: size))))
                }
                return try Tensor.concatenated(parts, axis: 0)
            })
    }

    /// Kernels on against kernels off, on two frames.
    private func compare(
        _ eye: Eye, _ shape: ModelShape, _ machine: LoadedMachine
    ) throws -> Double {
        let input = try input(2, shape, machine)
        func tokens() throws -> [Float] {
            try eye.pooling(eye.projector(eye.tower(input))).converted(to: .float32).values()
        }
        KernelSwitch.off.apply()
        let plain = try tokens()
        KernelSwitch.on.apply()
        let error = PrefillCheck.relativeError(try tokens(), plain)
        guard error <= (eye.weights == .fp8 ? 0.15 : 0.05) else {
            throw CheckFailed(
                "the vision tower with \(eye.weights.rawValue) weights differs by \(error)")
        }
        return error
    }

    /// Of one frame, multiply-adds counted twice.
    private static func flops(_ shape: ModelShape) -> Double {
        let v = shape.vision
        let (w, f) = (Double(v.width), Double(v.feedForward))
        let patches = Double(v.grid * v.grid)
        let tokens = patches + 1
        let used = Double(v.layerCount + 1 + shape.configuration.selectLayer)
        let layer = tokens * (4 * w * w + 2 * w * f) + 2 * tokens * tokens * w
        let d = Double(shape.configuration.hiddenSize)
        let embedding = patches * w * Double(3 * v.patchSize * v.patchSize)
        return 2 * (used * layer + embedding + patches * (w * d + d * d))
    }
}
