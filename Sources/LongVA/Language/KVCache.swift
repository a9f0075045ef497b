import Torch

/// Keys and values of every layer, each layer with a length of its own: sparse prefill leaves
/// different tokens in each. The next position is counted by the generator, not by these lengths.
package struct KVCache {
    package private(set) var layers: [Layer] = []
    /// Entries that decoding may add.
    private let room: Int

    package init(room: Int) {
        self.room = room
    }

    package struct Layer {
        /// [1, Hkv, capacity, d]; the first `length` entries are valid.
        private let keys: Tensor
        private let values: Tensor
        package private(set) var length: Int

        fileprivate init(keys: Tensor, values: Tensor, room: Int) throws {
            length = keys.shape[2]
            let shape = [1, keys.shape[1], length + room, keys.shape[3]]
            self.keys = try Tensor.empty(shape, try keys.dtype(), on: try keys.device())
            self.values = try Tensor.empty(shape, try values.dtype(), on: try values.device())
            try self.keys.narrowed(2, from: 0, count: length).overwrite(with: keys)
            try self.values.narrowed(2, from: 0, count: length).overwrite(with: values)
        }

        /// Appends one token's key and value [1, Hkv, 1, d] and returns all valid entries.
        fileprivate mutating func append(
            _ key: Tensor, _ value: Tensor
        ) throws -> (keys: Tensor, values: Tensor) {
            try keys.narrowed(2, from: length, count: 1).overwrite(with: key)
            try values.narrowed(2, from: length, count: 1).overwrite(with: value)
            length += 1
            return (
                try keys.narrowed(2, from: 0, count: length),
                try values.narrowed(2, from: 0, count: length)
            )
        }
    }

    /// Stores what a layer keeps of the prompt.
    mutating func fill(keys: Tensor, values: Tensor) throws {
        layers.append(try Layer(keys: keys, values: values, room: room))
    }

    mutating func append(
        _ key: Tensor, _ value: Tensor, layer: Int
    ) throws -> (keys: Tensor, values: Tensor) {
        try layers[layer].append(key, value)
    }

    /// Bytes of the valid entries.
    package static func bytes(
        entries: Int, keyValueHeads: Int, headWidth: Int, elementBytes: Int
    ) -> Int64 {
        Int64(entries) * 2 * Int64(keyValueHeads * headWidth * elementBytes)
    }
}
