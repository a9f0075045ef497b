@testable import Jobs

/// One call, with small numbers for what was made before: the n-th worker, claim or job. A number
/// beyond the last counts on from the first, so that any part of a sequence is a sequence.
enum ModelOperation: Sendable, Equatable {
    struct Item: Sendable, Equatable {
        var video, copy, question, config, queue, priority: Int
        /// Of its time, in milliseconds from now; `nil` for none.
        var delay: Int64?
        var isHeld, isBad: Bool
        var maxAttempts, maxCrashes: Int
    }

    struct Selection: Sendable, Equatable {
        /// Pairs of jobs, each a range.
        var jobs: [[Int]] = []
        var batch: Int?
        var states: [JobState] = []
        var errorClasses: [ErrorClass] = []
        var customID: Int?
        var model: Int?
    }

    enum Change: Sendable, Equatable { case cancel, retry, hold, unhold, prioritize(Int) }

    case enqueue(batch: Int, [Item])
    case register(isFar: Bool)
    case unregister(Int)
    case claim(worker: Int, limit: Int, queues: [Int], model: Int?)
    case start(Int)
    case heartbeat(worker: Int, claims: [Int], progress: Double?, stage: String?)
    case complete(Int, milliseconds: Int)
    case fail(Int, ErrorClass, after: Int64?)
    case release(Int)
    case noteLog(Int)
    case change(Change, Selection)
    case pause(Int)
    case resume(Int)
    case limit(queue: Int, Int?)
    case advance(Int64)
    case die(Int)
    case rescue
    /// The journal of this claim; `isStray` with the numbers of another queue.
    case readmit(Int, isStray: Bool)
    case prune(age: Int64, states: [JobState], batch: Int?, isDry: Bool)
    case maintain
}

/// The same numbers for the same seed (SplitMix64).
struct ModelRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }

    mutating func one<T>(of values: [T]) -> T { values[number(0..<values.count)] }
}
