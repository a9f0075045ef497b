import TestSupport
import Testing
import Torch

/// Files are built byte by byte from the published format, so that the reader is not tested with the
/// writer alone.
@Suite struct SafetensorsTests {
    let folder: TemporaryFolder

    init() throws {
        try LoadedTorch.load()
        folder = try TemporaryFolder()
    }

    private func file(_ name: String, header: String, data: [UInt8]) throws -> String {
        let length = UInt64(header.utf8.count).littleEndian
        return try folder.write(name, withUnsafeBytes(of: length, Array.init) + header.utf8 + data)
    }

    private let one: [UInt8] = [0, 0, 0x80, 0x3F]  // 1.0 as float32, little-endian

    @Test func readsNamesShapesMetadataAndValues() throws {
        let path = try file(
            "a.safetensors",
            header:
                #"{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"y":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}"#,
            data: one + [0, 0, 0, 0x40] + [0x40, 0x40])
        let opened = try SafetensorsFile(path: path)
        #expect(opened.metadata == ["format": "pt"])
        #expect(try opened.tensor("x").shape == [2, 1])
        #expect(try opened.tensor("x").values() == [Float(1), 2])
        #expect(try opened.tensor("y").converted(to: .float32).values() == [Float(3)])
    }

    @Test func aTensorOutlivesTheVariableThatHoldsTheFile() throws {
        let path = try file(
            "b.safetensors", header: #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            data: one)
        func view() throws -> Tensor {
            try SafetensorsFile(path: path).tensor("x").reshaped([1, 1])
        }
        #expect(try view().values() == [Float(1)])
    }

    @Test(arguments: [
        ("short", "{}", [UInt8](), "is not a safetensors file"),
        ("json", "not json at all", [], "header is not a safetensors header"),
        (
            "cut", #"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, [1, 2, 3],
            "it was cut off"
        ),
        (
            "range", #"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,4]}}"#, [1, 2, 3, 4],
            "does not fit its byte range"
        ),
        (
            "overflow",
            #"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#,
            [1, 2, 3, 4], "does not fit"
        ),
        (
            "type", #"{"x":{"dtype":"Q4","shape":[4],"data_offsets":[0,4]}}"#, [1, 2, 3, 4],
            "element type Q4"
        ),
    ])
    func damagedFilesAreRefusedByName(
        _ name: String, _ header: String, _ data: [UInt8], _ expected: String
    ) throws {
        let path =
            name == "short"
            ? try folder.write(name, [1, 2]) : try file(name, header: header, data: data)
        let error = #expect(throws: WeightError.self) { try SafetensorsFile(path: path) }
        let text = try #require(error).description
        #expect(text.contains(path) && text.contains(expected), "\(text)")
    }

    @Test func aHeaderLongerThanTheFileIsRefused() throws {
        let path = try folder.write("long", [0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0x7B, 0x7D])
        let error = #expect(throws: WeightError.self) { try SafetensorsFile(path: path) }
        #expect(try #require(error).description.contains("header of 16777215 bytes announced"))
    }

    @Test func whatIsWrittenIsReadBack() throws {
        var writer = SafetensorsWriter()
        writer.metadata["options"] = #"{"tau":0.9}"#
        try writer.add("ids", Tensor([Int64(3), -200]))
        try writer.add("x", Tensor([Float(1), 2, 3, 4], shape: [2, 2]).transposed(0, 1))
        try writer.add("empty", Tensor([Float](), shape: [0, 3]))
        try writer.write(to: folder.file("w.safetensors"))
        let back = try SafetensorsFile(path: folder.file("w.safetensors"))
        #expect(back.metadata["options"] == #"{"tau":0.9}"#)
        #expect(try back.tensor("ids").values() == [Int64(3), -200])
        #expect(try back.tensor("x").values() == [Float(1), 3, 2, 4])
        #expect(try back.tensor("empty").shape == [0, 3])
    }

    @Test func allDifferencesOfACheckpointAreNamedInOneError() throws {
        _ = try file(
            "model.safetensors",
            header:
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"c":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            data: one + one)
        let checkpoint = try Checkpoint(directory: folder.path)
        let error = #expect(throws: WeightError.self) {
            try checkpoint.validate(expected: ["a": [2], "b": [3]]) { _ in false }
        }
        #expect(
            error?.problems == [
                "a has shape [1], expected [2]", "b is missing (expected [3])",
                "c is not part of this model",
            ])
        #expect(throws: WeightError.self) {
            try Weights(checkpoint, device: .cpu, dtype: .float32).tensor("a", [7])
        }
    }

    @Test func anIndexThatNamesAnAbsentShardSaysWhich() throws {
        try folder.write(
            "model.safetensors.index.json",
            #"{"weight_map":{"a":"model-00001-of-00002.safetensors"}}"#)
        let error = #expect(throws: WeightError.self) { try Checkpoint(directory: folder.path) }
        #expect(
            try #require(error).description.contains("model-00001-of-00002.safetensors, not found"))
    }

    @Test func aFolderWithoutWeightsIsNamed() throws {
        let error = #expect(throws: WeightError.self) { try Checkpoint(directory: folder.path) }
        #expect(try #require(error).description == "\(folder.path): holds no .safetensors file")
    }
}
