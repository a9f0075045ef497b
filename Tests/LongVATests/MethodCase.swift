import Foundation
import LongVA
import SparsePrefill
import Torch

/// One method with its options on one checkpoint, and what Fixtures/method_oracle.py computed.
struct MethodCase: Decodable {
    let name: String
    let options: Options
    /// Attended share of the prompt by layer; for MInference the share of the pairs.
    let keptShare: [Double]

    enum CodingKeys: String, CodingKey {
        case name, options
        case keptShare = "kept_share"
    }

    /// The oracle's names of the configuration; what is absent has the default.
    struct Options: Decodable {
        let method: PrefillMethod
        let seed: UInt64
        let tau: Double?
        let norm: ScoreNormalization?
        let pRule: ThresholdRule?
        /// Recent and random ones.
        let probes: [Int]?
        let probeRule: ProbeRule?
        let select: TokenChoice?
        let rows: RowRule?
        let ratio: Double?
        let fastvLayer: Int?
        let fastvDrop: Double?
        /// In the published format.
        let minference: MInferencePatterns?
        let hiredBudget: Double?
        let qkRatio: Double?
        let denseBelow: Int?
        let denseLayers: [Int]?
        let selectBucket: Int?
        let ffn: FeedForwardRule?
        let retireAfter: Int?
        let kv: KVRetention?
        let premerge: Premerge?
        let premergeRate: Double?

        var configuration: PrefillConfiguration {
            var c = PrefillConfiguration(method: method, seed: seed, kv: kv)
            c.tau = tau ?? c.tau
            c.norm = norm ?? c.norm
            c.thresholdRule = pRule ?? c.thresholdRule
            c.probesRecent = probes?.first ?? c.probesRecent
            c.probesRandom = probes?.last ?? c.probesRandom
            c.probeRule = probeRule ?? c.probeRule
            c.select = select ?? c.select
            c.rows = rows ?? c.rows
            c.ratio = ratio ?? c.ratio
            c.fastvLayer = fastvLayer ?? c.fastvLayer
            c.fastvDrop = fastvDrop ?? c.fastvDrop
            c.minference = minference
            c.hiredBudget = hiredBudget ?? c.hiredBudget
            c.qkRatio = qkRatio ?? c.qkRatio
            c.denseBelow = denseBelow ?? c.denseBelow
            c.denseLayers = denseLayers ?? c.denseLayers
            c.selectBucket = selectBucket ?? c.selectBucket
            c.ffn = ffn ?? c.ffn
            c.retireAfter = retireAfter ?? c.retireAfter
            c.premerge = premerge ?? c.premerge
            c.premergeRate = premergeRate ?? c.premergeRate
            return c
        }
    }
}

extension ReferenceCase {
    /// Tensors of all method cases, `case/tensor`.
    func methodResults() throws -> SafetensorsFile {
        try SafetensorsFile(path: directory + "/methods.safetensors")
    }

    func methodCases() throws -> [MethodCase] {
        struct File: Decodable { let cases: [MethodCase] }
        let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/methods.json"))
        return try JSONDecoder().decode(File.self, from: data).cases
    }

    /// The checkpoint's own frames in another order, repetitions included.
    func frames(inOrder order: [Int]) throws -> FrameBatch {
        let side = try facts().image_side
        let pixels: [UInt8] = try expected().tensor("frames").values()
        let size = side * side * 3
        return FrameBatch(
            pixels: order.flatMap { pixels[$0 * size..<($0 + 1) * size] }, count: order.count,
            side: side)
    }
}
