package import Testing
package import Torch

/// libtorch, loaded once for the test process.
package enum LoadedTorch {
    private static let result = Result { try TorchLibrary.load() }

    @discardableResult
    package static func load() throws -> TorchLibrary {
        let library = try result.get()
        TorchLibrary.disableGradients()
        return library
    }
}

/// Records an issue that shows shape, largest difference, its place and the first values when two
/// tensors differ by more than `relative` of the expected tensor's largest magnitude.
package func expectClose(
    _ actual: Tensor, _ expected: Tensor, relative: Float, _ name: String,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    guard actual.shape == expected.shape else {
        Issue.record(
            "\(name): shape \(actual.shape), expected \(expected.shape)",
            sourceLocation: sourceLocation)
        return
    }
    let a: [Float] = try actual.converted(to: .float32).values()
    let e: [Float] = try expected.converted(to: .float32).values()
    let scale = e.reduce(0) { max($0, abs($1)) }
    let differences = zip(a, e).map { abs($0 - $1) }
    // NaN compares false with everything: it must count as the worst.
    guard let worst = differences.indices.max(by: { precedes(differences[$0], differences[$1]) })
    else { return }
    guard differences[worst] <= relative * scale else {
        Issue.record(
            """
            \(name) \(actual.shape): largest difference \(differences[worst]) at \(worst) \
            (\(a[worst]) for \(e[worst])), allowed \(relative) of \(scale)
              actual   \(a.prefix(5))
              expected \(e.prefix(5))
            """, sourceLocation: sourceLocation)
        return
    }
}

/// Order in which NaN is larger than every number.
private func precedes(_ a: Float, _ b: Float) -> Bool {
    b.isNaN ? !a.isNaN : a < b
}
