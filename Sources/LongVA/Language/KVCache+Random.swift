import SparsePrefill
import Torch

extension KVCache {
    /// Entries that nothing was computed for, all layers alike: for measurements of decoding.
    package init(randomEntries count: Int, room: Int, for model: Qwen2Model, seed: UInt64) throws {
        let c = model.configuration
        self.init(
            room: room, plan: KVCachePlan(PrefillConfiguration(), layerCount: c.layerCount))
        func random(_ stream: Int) throws -> Tensor {
            try Tensor.uniform(
                [1, c.keyValueHeads, count, c.headWidth], seed: seed, stream: stream,
                model.embeddings.dtype(), on: model.embeddings.device())
        }
        let (keys, values) = (try random(-40), try random(-41))
        for _ in 0..<c.layerCount {
            try fill(
                keys: keys, values: values, positions: [], salient: nil, keyBias: nil,
                rotary: model.rotary)
        }
    }
}
