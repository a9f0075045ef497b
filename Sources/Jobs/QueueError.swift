/// What a back end can fail with; `message` says which file and what was found.
package struct QueueError: Error, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        case busy, unavailable, corrupt, full, incompatible, lost, invalid
    }
    package var kind: Kind
    package var message: String
    package var description: String { message }
    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
