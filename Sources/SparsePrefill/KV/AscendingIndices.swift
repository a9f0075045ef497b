/// An ascending list of distinct whole numbers in the smallest of three forms.
package struct AscendingIndices: Sendable, Equatable {
    private enum Form: Equatable {
        /// Without gaps.
        case range(first: Int32, count: Int32)
        case list([Int32])
        /// Bit i of byte b stands for `first` + 8 b + i.
        case bitmap(first: Int32, bits: [UInt8])
    }

    private let form: Form

    /// - Parameter indices: ascending, distinct, below 2^31.
    package init(_ indices: [Int]) {
        guard let first = indices.first, let last = indices.last else {
            form = .range(first: 0, count: 0)
            return
        }
        let span = last - first + 1
        if span == indices.count {
            form = .range(first: Int32(first), count: Int32(span))
        } else if 4 * indices.count < 4 + (span + 7) / 8 {
            form = .list(indices.map(Int32.init))
        } else {
            var bits = [UInt8](repeating: 0, count: (span + 7) / 8)
            for index in indices { bits[(index - first) / 8] |= 1 << UInt8((index - first) % 8) }
            form = .bitmap(first: Int32(first), bits: bits)
        }
    }

    package func indices() -> [Int] {
        switch form {
        case .range(let first, let count): return Array(Int(first)..<Int(first) + Int(count))
        case .list(let list): return list.map(Int.init)
        case .bitmap(let first, let bits):
            var indices: [Int] = []
            for (byte, value) in bits.enumerated() where value != 0 {
                for bit in 0..<8 where value >> UInt8(bit) & 1 == 1 {
                    indices.append(Int(first) + 8 * byte + bit)
                }
            }
            return indices
        }
    }

    /// Bytes of the form that is stored.
    package var byteCount: Int {
        switch form {
        case .range: 8
        case .list(let list): 4 * list.count
        case .bitmap(_, let bits): 4 + bits.count
        }
    }
}
