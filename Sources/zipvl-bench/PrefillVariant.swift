import ArgumentParser
import LongVA
import SparsePrefill

/// A method with what distinguishes it from the other measurements of a run.
struct PrefillVariant {
    /// "zipvl:ffn=kept"
    let name: String
    var configuration: PrefillConfiguration
    let weights: WeightFormat
    /// Shares that zipvl shall keep by layer; `nil` for the other methods, and where tau decides.
    var shares: [Double]?
    var schedule: RatioSchedule?
    /// Share of the visual tokens that enter the decoder: hired's choice needs a vision tower, so here it takes evenly
    /// spaced tokens. What follows costs the same.
    var enters = 1.0
    /// `PlantedColumns.columns`' factors, by layer; empty without planted columns.
    var stretch: [Float] = []

    /// What its calibration depends on.
    var key: String { "\(name) \(weights.rawValue) \(schedule?.rawValue ?? "")" }
    /// What it depends on most.
    var kindredKey: String { schedule?.rawValue ?? "" }

    static let names =
        PrefillMethod.allCases.map(\.rawValue) + ["zipvl:rows=keys", "zipvl:ffn=kept"]

    /// Full comes first, whatever is asked for: it is what the others are measured by.
    static func names(_ text: String) throws -> [String] {
        if text == "all" { return names.filter { $0 != "zipvl:ffn=kept" } }
        let named = try list(text, "--methods", "names out of \(names.joined(separator: ", "))") {
            names.contains($0) ? $0 : nil
        }
        return ["full"] + named.filter { $0 != "full" }
    }
}

extension DecoderRun {
    /// The variants of one method's name.
    ///
    /// - Parameters:
    ///   - tau: of zipvl.
    ///   - schedules: with planted columns; a variant for each.
    func variants(
        _ name: String, tokens n: Int, ratio: Double, tau: Double, schedules: [RatioSchedule],
        bucket: Int
    ) -> [PrefillVariant] {
        let method = PrefillMethod(rawValue: String(name.prefix { $0 != ":" })) ?? .full
        var configuration = PrefillConfiguration(
            method: method, seed: machine.seed, selectBucket: bucket)
        var enters = 1.0
        switch method {
        case .full: break
        case .fastv: configuration.fastvDrop = planted == nil ? 1 - ratio : 0.5
        case .fixed: configuration.ratio = ratio
        case .zipvl: configuration.tau = tau
        // r^2 of the pairs, as the others compute.
        case .qkSparse: configuration.qkRatio = ratio
        case .minference:
            // The published patterns of no model: each head's default where it is not all pairs.
            configuration.minference = planted == nil ? patterns(n, share: ratio * ratio) : nil
        case .hired: enters = ratio
        }
        if name == "zipvl:rows=keys" { configuration.rows = .keys }
        if name == "zipvl:ffn=kept" { configuration.ffn = .kept }
        let variant = PrefillVariant(
            name: name, configuration: configuration, weights: weights, enters: enters)
        guard planted != nil, method == .zipvl else { return [variant] }
        return schedules.map { schedule in
            var variant = variant
            variant.schedule = schedule
            variant.shares = schedule.shares(
                ratio, layers: shape.configuration.layerCount)
            return variant
        }
    }

    /// Vertical lines and slashes of equal number in every head, together a share of the n columns.
    private func patterns(_ n: Int, share: Double) -> MInferencePatterns {
        let lines = max(60, Int(share * Double(n) / 2))
        let sizes = decoder.decoderSizes
        let pattern = MInferencePattern.verticalAndSlash(vertical: lines, slash: lines)
        let layer = Dictionary(
            uniqueKeysWithValues: (0..<sizes.attention.heads).map { ($0, pattern) })
        return MInferencePatterns(layers: Array(repeating: layer, count: sizes.layers))
    }
}
