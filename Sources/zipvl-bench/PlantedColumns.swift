import Glibc
import LongVA
import SparsePrefill
import Torch

/// Makes ZipVL's own selection keep a wanted share of random tokens in each layer.
///
/// Attention of random weights is nearly even, so that at a usual tau almost everything is kept. Here one hidden
/// coordinate belongs to each layer: layer l's keys carry it in the slowest pair of RoPE, where its queries have a
/// constant (a bias), so that it adds x[l] / rms(x) to every logit of column x, and no layer writes to it. Which
/// tokens a layer attends, and how many hold the share tau of its attention, is then decided by the prompt: by
/// grades that look normal, stretched by one factor a layer. Everything between, probe, top-p, selection and the
/// read-back of p, runs on real scores.
struct PlantedColumns {
    let layers: Int
    let hidden: Int
    let heads: Int
    let headWidth: Int

    init(_ shape: ModelShape) {
        layers = shape.configuration.layerCount
        hidden = shape.configuration.hiddenSize
        heads = shape.configuration.heads
        headWidth = shape.configuration.headWidth
    }

    func plant(in tensor: Tensor, _ name: String) throws {
        let parts = name.split(separator: ".")
        guard let at = parts.firstIndex(of: "layers"), parts[0] == "model",
            at + 1 < parts.count, let layer = Int(parts[at + 1]), layer < layers, at == 1
        else { return }
        let device = try tensor.device()
        if name.hasSuffix("o_proj.weight") || name.hasSuffix("down_proj.weight") {
            let nothing = try Tensor.zeros([layers, tensor.shape[1]], tensor.dtype(), on: device)
            try tensor.narrowed(0, from: 0, count: layers).overwrite(with: nothing)
        } else if name.hasSuffix("k_proj.weight") {
            var row = [Float](repeating: 0, count: hidden)
            row[layer] = 1
            let only = try Tensor(row, shape: [1, hidden], on: device)
            for first in stride(from: slowest, to: tensor.shape[0], by: headWidth) {
                try tensor.narrowed(0, from: first, count: 1).overwrite(with: only)
            }
        } else if name.hasSuffix("q_proj.bias") {
            var bias = [Float](repeating: 0, count: tensor.shape[0])
            for first in stride(from: slowest, to: bias.count, by: headWidth) {
                // The logits are divided by it.
                bias[first] = Float(headWidth).squareRoot()
            }
            try tensor.overwrite(with: Tensor(bias, on: device))
        }
    }

    /// The first number of the pair that RoPE turns least: by less than 0.2 over 131,072 tokens.
    private var slowest: Int { headWidth / 2 - 1 }

    /// Grades of n tokens, stretched by each layer's factor: what the first `layers` numbers of an embedding hold.
    /// Sums of four even numbers: of variance 1, and near enough to the normal distribution.
    ///
    /// - Returns: float32 [n, layers]
    func columns(
        _ n: Int, stretch: [Float], seed: UInt64, on device: Device
    ) throws -> Tensor {
        var grades = try Tensor.zeros([n, layers], .float32, on: device)
        for part in 0..<4 {
            grades =
                try grades
                + Tensor.uniform(
                    [n, layers], bound: Float(0.75).squareRoot(), seed: seed, stream: -10 - part,
                    on: device)
        }
        return try grades * Tensor(stretch, shape: [1, layers], on: device)
    }
}

extension PlantedColumns {
    /// How far normal grades must be stretched for their exponentials' largest, a share `ratio` of the tokens, to hold
    /// a share tau of the sum: the tilted distribution is the normal one moved by this much.
    static func stretch(keeping ratio: Double, tau: Double) -> Double {
        quantile(1 - ratio) + quantile(tau)
    }

    /// The normal distribution's quantile, by bisection.
    static func quantile(_ share: Double) -> Double {
        var (low, high) = (-8.0, 8.0)
        for _ in 0..<60 {
            let middle = (low + high) / 2
            if erfc(-middle / 2.0.squareRoot()) / 2 < share { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}
