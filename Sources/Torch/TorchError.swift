/// What libtorch, or the search for it, failed with: the operation, the shapes it was given, and the
/// library's own message.
package struct TorchError: Error, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// No usable libtorch was found.
        case unavailable
        case outOfMemory
        case invalidArgument
        case other
    }

    package let kind: Kind
    package let operation: String
    package let shapes: [[Int]]
    package let message: String

    package init(_ kind: Kind, operation: String, shapes: [[Int]] = [], message: String) {
        self.kind = kind
        self.operation = operation
        self.shapes = shapes
        self.message = message
    }

    package var description: String {
        let arguments = shapes.map { "\($0)" }.joined(separator: ", ")
        return arguments.isEmpty
            ? "\(operation): \(message)" : "\(operation)(\(arguments)): \(message)"
    }
}

extension TorchError {
    /// The failure of the call that just returned non-zero on this thread.
    init(lastErrorOf operation: String, shapes: [[Int]]) {
        let text =
            lastLibraryMessage() ?? "libtorch failed and gave no message (it is older than 2.13)"
        self.init(Self.kind(of: text), operation: operation, shapes: shapes, message: text)
    }

    private static func kind(of message: String) -> Kind {
        let text = message.lowercased()
        // "DefaultCPUAllocator: can't allocate memory" on the CPU, "CUDA out of memory" on a GPU.
        if text.contains("out of memory") || text.contains("can't allocate memory")
            || text.contains("not enough memory")
        {
            return .outOfMemory
        }
        return .other
    }
}
