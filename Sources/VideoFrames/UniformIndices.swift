extension FrameSampler {
    /// The indices of `np.linspace(0, total - 1, count, dtype=int)`, which LongVA and its evaluation use.
    ///
    /// The product is formed in double precision and truncated, as numpy does: the integer formula
    /// `i * (total - 1) / (count - 1)` differs in about one case of fifty.
    ///
    /// - Returns: `count` ascending indices in `0..<total`, repeated where `count > total`; empty if
    ///   either is not positive.
    package static func uniformIndices(total: Int, count: Int) -> [Int] {
        guard total > 0, count > 0 else { return [] }
        guard count > 1 else { return [0] }
        let step = Double(total - 1) / Double(count - 1)
        var indices = (0..<count).map { Int((Double($0) * step).rounded(.down)) }
        indices[count - 1] = total - 1
        return indices
    }
}
