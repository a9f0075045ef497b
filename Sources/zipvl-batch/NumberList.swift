import ArgumentParser
import Foundation

/// Numbers with commas between them.
struct NumberList<Element: LosslessStringConvertible & Sendable>: ExpressibleByArgument, Sendable {
    var values: [Element]

    init(_ values: [Element]) { self.values = values }

    init?(argument: String) {
        let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
        values = parts.compactMap { Element($0.trimmingCharacters(in: .whitespaces)) }
        if values.count != parts.count { return nil }
    }

    /// As it is written: `0,12.5`.
    var defaultValueDescription: String {
        values.map { value in
            let text = value.description
            return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        }.joined(separator: ",")
    }
}
