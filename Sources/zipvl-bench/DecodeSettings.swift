import ArgumentParser
import Torch

/// Settings of the decoding kernels as text: `stages=5 pieces=1 overlap=none`, any of them.
enum DecodeSettings {
    static var numbers: [(name: String, path: WritableKeyPath<DecodeTuning, Int>)] {
        [
            ("stages", \.stages), ("pieces", \.pieces), ("fetch", \.fetch), ("blocks", \.blocks),
            ("input", \.inputBytes), ("attention-warps", \.attentionWarps),
            ("attention-stages", \.attentionStages), ("attention-blocks", \.attentionBlocks),
            ("prefetch", \.prefetchBytes),
        ]
    }

    static func text(_ tuning: DecodeTuning) -> String {
        (numbers.map { "\($0.name)=\(tuning[keyPath: $0.path])" }
            + ["overlap=\(tuning.overlap.rawValue)"]).joined(separator: " ")
    }

    /// - Throws: `ValidationError` for a setting or a value that there is not.
    static func tuning(
        _ text: String, from start: DecodeTuning = DecodeTuning()
    ) throws -> DecodeTuning {
        var tuning = start
        for setting in text.split(separator: " ") {
            let sides = setting.split(separator: "=", maxSplits: 1).map(String.init)
            guard sides.count == 2 else { throw ValidationError("--settings: \(setting)") }
            if let overlap = DecodeTuning.Overlap(rawValue: sides[1]), sides[0] == "overlap" {
                tuning.overlap = overlap
            } else if let number = numbers.first(where: { $0.name == sides[0] }),
                let value = Int(sides[1]), value >= 0
            {
                tuning[keyPath: number.path] = value
            } else {
                throw ValidationError("--settings: \(setting)")
            }
        }
        return tuning
    }
}
