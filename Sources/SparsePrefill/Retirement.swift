/// Tokens that no layer selects any more leave for good, so that nothing is computed for them.
package struct Retirement: Sendable, Equatable {
    /// Layers running without being selected.
    package let after: Int

    package init(after: Int) { self.after = after }

    /// - Parameters:
    ///   - idle: for each row, layers running in which it was not selected; brought up to date.
    ///   - kept: rows that this layer selected; `nil` is all.
    /// - Returns: rows that go on, ascending; `nil` when all do.
    package func remaining(
        idle: inout [Int], kept: [Int]?, layout: PromptLayout
    ) -> [Int]? {
        guard let kept else {
            idle = [Int](repeating: 0, count: layout.count)
            return nil
        }
        for row in idle.indices { idle[row] += 1 }
        for row in kept { idle[row] = 0 }
        let rows = (0..<layout.count).filter {
            idle[$0] < after || !layout.visual.contains($0)
        }
        return rows.count == layout.count ? nil : rows
    }
}
