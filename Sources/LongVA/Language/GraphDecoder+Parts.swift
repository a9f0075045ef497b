import Torch

extension GraphDecoder {
    /// Device time of a whole step, from sequences as they are; `nil` where steps are not recorded.
    package func stepMilliseconds(_ running: [DecodingSequence], steps: Int) throws -> Double? {
        guard let device = step.target.device, graph != nil else { return nil }
        try begin(running)
        try launch(0, running)
        let (start, end) = (
            try CUDAEvent(on: device, timing: true), try CUDAEvent(on: device, timing: true)
        )
        try start.record()
        for number in 1...steps { try launch(number, running) }
        try end.record()
        try end.synchronize()
        return try end.milliseconds(since: start) / Double(steps)
    }

    /// One kind of kernel of a step, by itself.
    package struct PartTime {
        package let name: String
        /// For all layers.
        package let milliseconds: Double
        /// That it has to read: weights, or the cached entries.
        package let bytes: Int64
    }

    /// Device time of each kind of kernel, launched for all layers one after the other: far more memory than
    /// any cache holds. The sequences are as they were when decoding last began; none for a batch beyond
    /// `DecodeTarget.mostSequences`, and none on an emulator.
    package func partTimes(
        _ running: [DecodingSequence], repeats: Int
    ) throws -> [PartTime] {
        guard let device = step.target.device, sequences <= DecodeTarget.mostSequences else {
            return []
        }
        try begin(running)
        let layers = step.weights.layers
        func bytes(_ matrix: DecodeMatrix) throws -> Int64 {
            Int64(matrix.weight.count * (try matrix.weight.dtype().byteCount))
        }
        func time(
            _ name: String, _ bytes: Int64, _ record: @escaping (any KernelLauncher) throws -> Void
        ) throws -> PartTime {
            let overlaps = step.target.tuning.overlap != .none
            let graph = try CUDAGraph(on: device, overlapping: overlaps) { try record($0) }
            let (start, end) = (
                try CUDAEvent(on: device, timing: true), try CUDAEvent(on: device, timing: true)
            )
            try graph.launch()
            try start.record()
            for _ in 0..<repeats { try graph.launch() }
            try end.record()
            try end.synchronize()
            return PartTime(
                name: name, milliseconds: try end.milliseconds(since: start) / Double(repeats),
                bytes: bytes)
        }
        var times: [PartTime] = []
        for part in DecodeStep.Part.allCases {
            let total = try layers.reduce(Int64(0)) { sum, layer in
                switch part {
                case .projections: sum + (try bytes(layer.projections))
                case .attention: sum
                case .output: sum + (try bytes(layer.output))
                case .gateUp: sum + (try bytes(layer.gateUp))
                case .down: sum + (try bytes(layer.down))
                }
            }
            let entries = running.reduce(Int64(0)) { $0 + $1.cache.byteCount }
            times.append(
                try time(part.rawValue, part == .attention ? entries : total) { launcher in
                    for layer in layers.indices {
                        try self.step.queue(part, layer: layer, on: launcher)
                    }
                })
        }
        times.append(
            try time("head", bytes(step.weights.head)) { try self.step.queueHead(on: $0) })
        return times
    }
}
