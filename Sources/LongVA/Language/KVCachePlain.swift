import Torch

/// One layer's entries in the run's element type.
struct PlainEntries {
    /// [1, Hkv, capacity, d]; the first `length` entries are valid.
    private let keys: Tensor
    private let values: Tensor
    private(set) var length = 0
    private let entryBytes: Int

    /// Room for `capacity` entries shaped and typed like those given, [1, Hkv, any, d].
    init(like keys: Tensor, _ values: Tensor, capacity: Int) throws {
        let shape = [1, keys.shape[1], capacity, keys.shape[3]]
        self.keys = try Tensor.empty(shape, try keys.dtype(), on: try keys.device())
        self.values = try Tensor.empty(shape, try values.dtype(), on: try values.device())
        entryBytes = keys.shape[1] * keys.shape[3] * (try keys.dtype().byteCount) * 2
    }

    /// Appends entries [1, Hkv, T, d], for which there must be room.
    mutating func append(_ key: Tensor, _ value: Tensor) throws {
        let count = key.shape[2]
        try keys.narrowed(2, from: length, count: count).overwrite(with: key)
        try values.narrowed(2, from: length, count: count).overwrite(with: value)
        length += count
    }

    /// All valid entries, as views.
    func entries() throws -> (keys: Tensor, values: Tensor) {
        (
            try keys.narrowed(2, from: 0, count: length),
            try values.narrowed(2, from: 0, count: length)
        )
    }

    /// Where the entries lie, as kernels take it.
    func view() throws -> [Int] { try DecodeState.view(keys: keys, values: values) }

    /// Counts entries that a kernel has appended.
    mutating func advance(by count: Int) { length += count }

    /// Of the valid entries.
    var byteCount: Int64 { Int64(length) * Int64(entryBytes) }
}
