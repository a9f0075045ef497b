import FoundationEssentials

/// The tensors of a model directory: shards joined by `model.safetensors.index.json`, or
/// `model.safetensors` alone, or every safetensors file there is.
package final class Checkpoint {
    package let directory: String
    /// The files in name order.
    package let files: [SafetensorsFile]
    /// Which file holds a tensor, and under which name.
    private let location: [String: (file: SafetensorsFile, storedName: String)]
    /// Made for the first tensor that goes to another device.
    private var loader: StagedLoader?

    private struct Index: Decodable {
        let weight_map: [String: String]
    }

    /// - Parameter renaming: gives the name under which a stored tensor is asked for.
    /// - Throws: `WeightError` naming the folder or file and what was found.
    package init(directory: String, renaming: (String) -> String = { $0 }) throws {
        self.directory = directory
        let manager = FileManager.default
        let indexPath = directory + "/model.safetensors.index.json"
        let names: [String]
        var weightMap: [String: String]?
        if manager.fileExists(atPath: indexPath) {
            let map: [String: String]
            do {
                let data = try Data(contentsOf: URL(fileURLWithPath: indexPath))
                map = try JSONDecoder().decode(Index.self, from: data).weight_map
            } catch {
                throw WeightError(indexPath, "is not a safetensors index: \(error)")
            }
            weightMap = map
            names = Set(map.values).sorted()
            // A shard is a file of this folder; an index must not reach outside it.
            if let outside = names.first(where: { $0.contains("/") }) {
                throw WeightError(indexPath, "names \(outside), which is not a file of this folder")
            }
            let absent = names.filter { !manager.fileExists(atPath: directory + "/" + $0) }
            guard absent.isEmpty else {
                throw WeightError(indexPath, "names \(absent.joined(separator: ", ")), not found")
            }
        } else {
            let found = (try? manager.contentsOfDirectory(atPath: directory)) ?? []
            let candidates = found.filter { $0.hasSuffix(".safetensors") }.sorted()
            guard !candidates.isEmpty else {
                throw WeightError(directory, "holds no .safetensors file")
            }
            // Other files, such as adapters, may lie beside the one with the standard name.
            names = candidates.contains("model.safetensors") ? ["model.safetensors"] : candidates
        }
        files = try names.map { try SafetensorsFile(path: directory + "/" + $0) }
        let stored = try Self.locate(
            files, names: names, weightMap: weightMap, indexPath: indexPath)
        var location: [String: (file: SafetensorsFile, storedName: String)] = [:]
        for (name, file) in stored { location[renaming(name)] = (file, name) }
        self.location = location
    }

    private static func locate(
        _ files: [SafetensorsFile], names: [String], weightMap: [String: String]?, indexPath: String
    ) throws -> [String: SafetensorsFile] {
        var location: [String: SafetensorsFile] = [:]
        guard let weightMap else {
            for file in files {
                for name in file.entries.keys { location[name] = file }
            }
            return location
        }
        let byName = Dictionary(zip(names, files), uniquingKeysWith: { first, _ in first })
        var problems: [String] = []
        for (tensor, name) in weightMap.sorted(by: { $0.key < $1.key }) {
            guard let file = byName[name], file.entries[tensor] != nil else {
                problems.append("places \(tensor) in \(name), which does not hold it")
                continue
            }
            location[tensor] = file
        }
        guard problems.isEmpty else { throw WeightError(indexPath, problems) }
        return location
    }

    package var names: [String] { location.keys.sorted() }

    package func entry(_ name: String) -> SafetensorsFile.Entry? {
        location[name].flatMap { $0.file.entries[$0.storedName] }
    }

    /// The tensor as stored.
    package func tensor(_ name: String) throws -> Tensor {
        guard let (file, storedName) = location[name] else {
            throw WeightError(directory, "has no tensor \(name)")
        }
        return try file.tensor(storedName)
    }

    /// The tensor as stored, read to a device part by part instead of through the mapping.
    package func staged(_ name: String, on device: Device) throws -> Tensor {
        guard let (file, storedName) = location[name] else {
            throw WeightError(directory, "has no tensor \(name)")
        }
        let current =
            try loader.flatMap { $0.device == device ? $0 : nil } ?? StagedLoader(on: device)
        loader = current
        return try current.tensor(storedName, of: file)
    }

    /// Compares names and shapes with what a model needs and reports all differences in one error.
    ///
    /// - Parameter tolerated: says which further tensors may be there and are ignored.
    package func validate(
        expected: [String: [Int]], tolerated: (String) -> Bool
    ) throws(WeightError) {
        var problems: [String] = []
        for (name, shape) in expected.sorted(by: { $0.key < $1.key }) {
            guard let entry = entry(name) else {
                problems.append("\(name) is missing (expected \(shape))")
                continue
            }
            if entry.shape != shape {
                problems.append("\(name) has shape \(entry.shape), expected \(shape)")
            }
        }
        for name in names where expected[name] == nil && !tolerated(name) {
            problems.append("\(name) is not part of this model")
        }
        guard problems.isEmpty else { throw WeightError(directory, problems) }
    }
}
