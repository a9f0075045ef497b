import Crypto
import FoundationEssentials
import Torch

/// Identifies a model by everything that can change its answers, without reading 16 GB at each start:
/// SHA-256 over config.json, generation_config.json, the tokenizer's files, each safetensors file's
/// name, size and header, and a kilobyte from the middle of each tensor: weights that were trained
/// further differ in nothing else.
enum ModelFingerprint {
    private static let sampleBytes = 1024
    private static let smallFiles = [
        "config.json", "generation_config.json", "vocab.json", "merges.txt", "tokenizer.json",
        "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json",
        "model.safetensors.index.json",
    ]

    static func hex(directory: String) throws -> String {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
            throw ModelError(.configuration, "\(directory): no such model directory")
        }
        var hash = SHA256()
        for name in names.sorted() {
            let path = directory + "/" + name
            if smallFiles.contains(name) || name.hasSuffix(".tiktoken") {
                guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
                    throw ModelError(.configuration, "\(path): cannot be read")
                }
                hash.update(data: Data("\(name)\0\(data.count)\0".utf8))
                hash.update(data: data)
            } else if name.hasSuffix(".safetensors") {
                let file = try SafetensorsFile(path: path)
                hash.update(data: Data("\(name)\0\(file.fileSize)\0".utf8))
                hash.update(data: Data(file.headerBytes))
                for tensor in file.entries.keys.sorted() {
                    hash.update(data: Data(file.sample(tensor, count: sampleBytes)))
                }
            }
        }
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
