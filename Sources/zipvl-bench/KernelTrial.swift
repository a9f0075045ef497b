import SparsePrefill
import Torch

/// One fused operation on one random input, beside its plain twin.
struct KernelTrial {
    /// "swiglu e4m3"
    let operation: String
    /// "[1, 300, 37888] bfloat16"
    let size: String
    /// Read and written by the kernel, each once.
    let bytes: Int
    /// Largest relative error of an output, |fused - plain| / |plain|.
    let limit: Double
    /// Fresh inputs: operations may work in their memory.
    let inputs: () throws -> [Tensor]
    let fused: ([Tensor]) throws -> [Tensor]
    let plain: ([Tensor]) throws -> [Tensor]
}

/// Draws sizes and values for trials.
struct TrialMaker {
    let machine: LoadedMachine
    /// Small sizes, for tools that slow everything down.
    let isQuick: Bool
    private var generator: SplitMix64
    private var streams = 1000

    /// - Parameter number: of the trial: each draws sizes and values of its own.
    init(_ machine: LoadedMachine, isQuick: Bool, number: Int) {
        self.machine = machine
        self.isQuick = isQuick
        generator = SplitMix64(seed: machine.seed, stream: number << 20)
        streams += number << 16
    }

    /// One of a list.
    mutating func pick<T>(_ choices: [T]) -> T { choices[generator.number(below: choices.count)] }

    /// Rows, odd ones too, now and then few.
    mutating func rows() -> Int {
        let most = isQuick ? 40 : machine.isCPU ? 300 : 20_000
        return generator.number(below: 4) == 0
            ? 1 + generator.number(below: 5) : 1 + generator.number(below: most)
    }

    /// Widths as models have them, and a few that fit no power of two.
    mutating func width(_ most: Int) -> Int {
        let widths = isQuick ? [8, 64, 264, 1024] : [8, 64, 264, 1000, 1024, 3584, 4096, 18_944]
        return pick(widths.filter { $0 <= most })
    }

    /// Small sizes where everything else takes too long.
    var isSmall: Bool { isQuick || machine.isCPU }

    mutating func number(below bound: Int) -> Int { generator.number(below: bound) }

    /// `count` distinct numbers below `bound`, ascending.
    mutating func numbers(_ count: Int, below bound: Int) -> [Int] {
        generator.sample(count, below: bound).sorted()
    }

    /// Evenly over the orders of magnitude; the ends now and then.
    mutating func length(from least: Int, to most: Int) -> Int {
        switch number(below: 8) {
        case 0: return least
        case 1: return most
        default:
            var length = least
            while length < most, number(below: 6) > 0 { length *= 2 }
            return min(most, length + number(below: length))
        }
    }

    /// bf16 and float32 in turn.
    mutating func dtype() -> DType { pick([.bfloat16, .float32]) }

    /// Even numbers over [-bound, bound).
    mutating func values(_ shape: [Int], _ dtype: DType, bound: Float = 2) -> () throws -> Tensor {
        streams += 1
        let (stream, machine) = (streams, machine)
        return {
            try Tensor.uniform(
                shape, bound: bound, seed: machine.seed, stream: stream, dtype, on: machine.place)
        }
    }

    /// `count` ascending numbers below `bound`.
    mutating func ascending(_ count: Int, below bound: Int) throws -> Tensor {
        try Tensor(numbers(count, below: bound), on: machine.place)
    }

    /// What differs in the order of sums, and in what e4m3 makes of a last bit.
    static func limit(_ dtype: DType, _ format: ActivationFormat = .asIs) -> Double {
        format == .e4m3 ? 0.02 : dtype == .float32 ? 1e-5 : 4e-3
    }
}

extension Activations {
    /// As numbers: e4m3 with its scale.
    func widened() throws -> Tensor {
        let wide = try values.converted(to: .float32)
        guard let scale else { return wide }
        return try wide * scale
    }
}
