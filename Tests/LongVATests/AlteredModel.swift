import Foundation
import LongVA
import TestSupport
import Torch

/// A copy of a tiny checkpoint that a test damages or rewrites.
struct AlteredModel {
    let folder: TemporaryFolder
    var path: String { folder.path }

    init(_ name: String) throws {
        try LoadedTorch.load()
        folder = try TemporaryFolder()
        try folder.copyContents(of: Fixtures.path(name))
        // What the reference computed is no part of the model.
        for name in ["expected", "methods"] {
            let path = folder.file("\(name).safetensors")
            if FileManager.default.fileExists(atPath: path) {
                try FileManager.default.removeItem(atPath: path)
            }
        }
    }

    func open() throws -> ModelDirectory { try ModelDirectory(path) }

    func load() throws -> LongVAModel { try LongVAModel(ModelOptions(directory: path)) }

    func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: folder.file(name))
    }

    func truncate(_ name: String, by bytes: Int) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: folder.file(name)))
        try folder.write(name, data.dropLast(bytes))
    }

    /// Sets keys of `config.json`; `nil` removes one.
    func configure(_ changes: [String: Any?]) throws {
        let url = URL(fileURLWithPath: folder.file("config.json"))
        let object = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
        var config = object as? [String: Any] ?? [:]
        for (key, value) in changes { config[key] = value }
        try JSONSerialization.data(withJSONObject: config).write(to: url)
    }

    /// Rewrites all weights into one file without an index: `change` may rename (new name), replace,
    /// or leave out (`nil`) each tensor.
    func rewriteWeights(
        to file: String = "model.safetensors",
        _ change: (String, Tensor) throws -> (String, Tensor)?
    ) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
            .filter { $0.hasSuffix(".safetensors") }.sorted()
        var writer = SafetensorsWriter()
        for name in names {
            let source = try SafetensorsFile(path: folder.file(name))
            for tensor in source.entries.keys.sorted() {
                if let (newName, value) = try change(tensor, source.tensor(tensor)) {
                    try writer.add(newName, value)
                }
            }
        }
        let temporary = folder.file("rewritten")
        try writer.write(to: temporary)
        for name in names { try remove(name) }
        if FileManager.default.fileExists(atPath: folder.file("model.safetensors.index.json")) {
            try remove("model.safetensors.index.json")
        }
        try FileManager.default.moveItem(atPath: temporary, toPath: folder.file(file))
    }
}
