import ArgumentParser
import Runner

/// Several numbers of frames: `64,128`.
struct FrameCounts: ExpressibleByArgument {
    var counts: [Int]

    init(counts: [Int]) { self.counts = counts }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        let counts = parts.compactMap { Int($0) }
        guard counts.count == parts.count, counts.allSatisfy({ $0 > 0 }) else { return nil }
        self.counts = counts
    }

    var defaultValueDescription: String { counts.map(String.init).joined(separator: ",") }
}

enum EvalFormat: String, ExpressibleByArgument, CaseIterable {
    /// By the keys of the first object.
    case auto
    case manifest
    case videoMME = "video-mme"
    case mlvu, longvideobench

    var format: EvaluationFormat? {
        switch self {
        case .auto: nil
        case .manifest: .manifest
        case .videoMME: .videoMME
        case .mlvu: .mlvu
        case .longvideobench: .longVideoBench
        }
    }
}
