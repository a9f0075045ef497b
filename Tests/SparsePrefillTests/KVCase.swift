import SparsePrefill
import TestSupport
import Testing
import Torch

/// Entries of one layer, and what Fixtures/kv_oracle.py makes of them.
struct KVCase: CustomTestStringConvertible {
    let name: String

    static let all = [
        "together", "each-head", "one-token-groups", "all-salient", "none-salient",
        "constant-channels", "far-from-zero", "beyond-float16",
    ].map(KVCase.init)

    var testDescription: String { name }

    func file() throws -> SafetensorsFile {
        try LoadedTorch.load()
        return try SafetensorsFile(path: Fixtures.path("kv_cases.safetensors"))
    }

    func tensor(_ name: String) throws -> Tensor { try file().tensor("\(self.name)/\(name)") }

    func has(_ name: String) throws -> Bool {
        try file().entries["\(self.name)/\(name)"] != nil
    }

    func salient() throws -> [[Int]] {
        var lists: [[Int]] = []
        while try has("salient.\(lists.count)") {
            lists.append(try tensor("salient.\(lists.count)").values())
        }
        return lists
    }

    /// `name` of all parts, joined to [1, Hkv, T, d].
    func whole(_ name: String) throws -> Tensor {
        let parts = try salient().indices.map { try tensor("\($0).\(name)") }
        return try Tensor.concatenated(parts, axis: 0).unsqueezed(0)
    }

    func compressed(_ dtype: DType = .float32) throws -> CompressedKV {
        var cache = CompressedKV(dtype: dtype)
        try cache.append(
            keys: tensor("input.keys").unsqueezed(0), values: tensor("input.values").unsqueezed(0),
            salient: salient())
        return cache
    }
}
