/// Values that were dear to compute, up to a number of bytes; the least recently used go first.
struct Kept<Key: Hashable, Value> {
    /// Bytes of all values together.
    let limit: Int
    private(set) var bytes = 0
    /// From the least to the most recently used.
    private var entries: [(key: Key, value: Value, bytes: Int)] = []

    init(limit: Int) { self.limit = limit }

    var keys: [Key] { entries.map(\.key) }

    func contains(_ key: Key) -> Bool { entries.contains { $0.key == key } }

    /// The value, which becomes the most recently used.
    mutating func value(_ key: Key) -> Value? {
        guard let index = entries.firstIndex(where: { $0.key == key }) else { return nil }
        entries.append(entries.remove(at: index))
        return entries[entries.count - 1].value
    }

    /// Keeps a value, unless it is larger than the limit by itself.
    ///
    /// - Parameter isPinned: what stays whatever the limit
    mutating func keep(
        _ value: Value, _ key: Key, bytes size: Int,
        sparing isPinned: (Key) -> Bool = { _ in false }
    ) {
        remove { $0 == key }
        guard size <= limit || isPinned(key) else { return }
        trim(to: limit - size, sparing: isPinned)
        entries.append((key, value, size))
        bytes += size
    }

    /// Lets go of the least recently used until no more than `size` bytes are kept.
    mutating func trim(to size: Int, sparing isPinned: (Key) -> Bool = { _ in false }) {
        while bytes > size, let index = entries.firstIndex(where: { !isPinned($0.key) }) {
            bytes -= entries.remove(at: index).bytes
        }
    }

    mutating func remove(where isUnwanted: (Key) -> Bool) {
        entries.removeAll { isUnwanted($0.key) }
        bytes = entries.reduce(0) { $0 + $1.bytes }
    }
}
