import FoundationEssentials
package import Torch

/// A model directory opened and checked, before any weight is copied.
package struct ModelDirectory {
    package let path: String
    package let configuration: LongVAConfiguration
    package let generation: GenerationConfiguration
    package let tokenizer: Qwen2Tokenizer
    package let layout: CheckpointLayout
    let text: Checkpoint
    /// Where the vision tower's tensors are: the same checkpoint, or a separate CLIP directory.
    let tower: Checkpoint
    let towerPrefix: String

    /// - Throws: `ModelError`, `TokenizerError` or `WeightError`; all missing, extra and misshapen
    ///   tensors are named in one error.
    package init(_ path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw ModelError(.configuration, "\(path): no such model directory")
        }
        self.path = path
        configuration = try LongVAConfiguration(directory: path)
        tokenizer = try Qwen2Tokenizer(directory: path)
        generation = try GenerationConfiguration(
            directory: path, defaultEnd: [tokenizer.imEnd, tokenizer.endOfText])
        text = try Checkpoint(directory: path, renaming: CheckpointLayout.publishedName)
        (tower, towerPrefix) = try Self.openTower(text, configuration.visionTower, directory: path)
        layout = try CheckpointLayout(
            configuration, text: text, tower: tower, towerPrefix: towerPrefix)
        try validate()
    }

    /// LongVA's own tower is fine-tuned and lies in the checkpoint; an upload without it names the
    /// CLIP model it was trained with, which must then be a directory on this machine.
    private static func openTower(
        _ text: Checkpoint, _ name: String, directory: String
    ) throws -> (Checkpoint, String) {
        let own = CheckpointLayout.visionPrefix
        if text.names.contains(where: { $0.hasPrefix(own) }) { return (text, own) }
        for candidate in [name, directory + "/" + name]
        where FileManager.default.fileExists(atPath: candidate) {
            return (try Checkpoint(directory: candidate), "vision_model")
        }
        throw WeightError(
            directory,
            "holds no vision tower (\(own).*), and mm_vision_tower \"\(name)\" is not a folder with one"
        )
    }

    private func validate() throws {
        let vision = layout.visionTensors(prefix: towerPrefix)
        if tower === text {
            let expected = layout.textTensors.merging(vision) { first, _ in first }
            try text.validate(expected: expected, tolerated: CheckpointLayout.isIgnored)
        } else {
            try text.validate(expected: layout.textTensors, tolerated: CheckpointLayout.isIgnored)
            // A CLIP checkpoint also holds the text model.
            try tower.validate(expected: vision) {
                !$0.hasPrefix(towerPrefix) || CheckpointLayout.isIgnored($0)
            }
        }
        guard layout.embeddingRows >= tokenizer.count, layout.headRows >= tokenizer.count else {
            throw WeightError(
                path,
                "embeds \(layout.embeddingRows) tokens and scores \(layout.headRows), "
                    + "but the tokenizer has \(tokenizer.count)")
        }
    }

    /// Bytes of the tensors that are used, in a given element type.
    package func weightBytes(_ dtype: DType) -> Int {
        let vision = layout.visionTensors(prefix: towerPrefix)
        return (Array(layout.textTensors.values) + Array(vision.values))
            .reduce(0) { $0 + $1.reduce(1, *) * dtype.byteCount }
    }
}
