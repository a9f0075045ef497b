import FoundationEssentials
import LongVA
import SparsePrefill
import Torch

/// What one model made of one request, as its trace tells it.
struct AgreeOutcome {
    let promptTokens: Int
    let logits: [Float]
    let ids: [Int]
    /// Kept tokens by the name of their tensor: of a layer, or of one of its heads.
    let kept: [String: [Int]]

    init(
        _ model: LongVAModel, _ video: EncodedVideo, _ request: AnswerRequest, trace path: String
    ) throws {
        var request = request
        request.trace = TraceRequest(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let answer = try model.answer(request, video: video)
        let file = try SafetensorsFile(path: path)
        promptTokens = answer.promptTokens
        ids = answer.outputIDs
        logits = try file.tensor("prefill_logits").converted(to: .float32).values()
        var kept: [String: [Int]] = [:]
        for name in file.entries.keys where name.hasPrefix("kept") {
            kept[name] = try file.tensor(name).values()
        }
        self.kept = kept
    }
}

/// Two outcomes of one request.
struct AgreeComparison {
    /// Share of the tokens, over all layers, of which both say whether they are kept; `nil` where neither chooses.
    let keptInCommon: Double?
    /// The same in the layer where it is least.
    let leastKeptInCommon: Double?
    let sameIDs: Bool
    let largestLogitDifference: Double
    /// |a - b| / |b| of the first logits.
    let relativeLogitError: Double

    init(_ a: AgreeOutcome, _ b: AgreeOutcome) {
        let n = max(b.promptTokens, 1)
        let names = Set(a.kept.keys).union(b.kept.keys)
        let shares = names.map { name -> Double in
            guard let first = a.kept[name], let second = b.kept[name] else { return 0 }
            let differing = Set(first).symmetricDifference(second).count
            return 1 - Double(differing) / Double(n)
        }
        keptInCommon = shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)
        leastKeptInCommon = shares.min()
        sameIDs = a.ids == b.ids
        let differences = zip(a.logits, b.logits).map { Double(abs($0 - $1)) }
        largestLogitDifference =
            a.logits.count == b.logits.count && differences.allSatisfy(\.isFinite)
            ? differences.max() ?? 0 : .infinity
        relativeLogitError = PrefillCheck.relativeError(a.logits, b.logits)
    }

    static let leastShare = 0.999

    var holds: Bool {
        sameIDs && (keptInCommon ?? 1) >= Self.leastShare && largestLogitDifference.isFinite
    }
}
