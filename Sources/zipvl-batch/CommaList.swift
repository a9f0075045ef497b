import ArgumentParser

/// Values with commas between them: `failed,cancelled`.
struct CommaList<Element: ExpressibleByArgument & Sendable>: ExpressibleByArgument, Sendable {
    var values: [Element]

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = parts.compactMap { Element(argument: String($0)) }
        if values.count != parts.count { return nil }
    }

    static var allValueStrings: [String] { Element.allValueStrings }
}
