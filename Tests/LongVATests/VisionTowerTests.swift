import LongVA
import TestSupport
import Testing
import Torch

/// The tower as a GPU has it, with frames as bytes and patches embedded by a product, on the CPU.
@Suite struct VisionTowerTests {
    @Test(arguments: ReferenceCase.all)
    func `Bytes through stacked weights give the reference's features`(
        _ reference: ReferenceCase
    ) throws {
        try LoadedTorch.load()
        let directory = try ModelDirectory(reference.directory)
        let vision = directory.layout.vision
        var weights = Weights(
            try Checkpoint(
                directory: reference.directory, renaming: CheckpointLayout.publishedName),
            device: .cpu, dtype: .float32)
        weights.stacks = true
        let tower = try CLIPVisionTower(
            weights[CheckpointLayout.visionPrefix], vision,
            selectLayer: directory.configuration.selectLayer)
        #expect(tower.takesBytes)
        let count = try reference.facts().stored_frames
        let frames = try reference.frames()
        let side = frames.side
        let bytes = try Tensor(
            Array(frames.pixels.prefix(count * side * side * 3)), shape: [count, side, side, 3])
        let expected = try reference.expected().tensor("vision_features")
        try expectClose(
            tower(bytes), expected, relative: ReferenceTests.tolerance, "features of bytes")
        let pixels = try PixelNormalization.normalized(frames, from: 0, count: count, on: .cpu)
        try expectClose(
            tower(pixels), expected, relative: ReferenceTests.tolerance, "features of pixels")
        try expectClose(
            tower.withClassAttention(bytes).features, expected,
            relative: ReferenceTests.tolerance, "features beside the attention")
    }
}
