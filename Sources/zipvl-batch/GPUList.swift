import ArgumentParser
import Torch

/// GPUs of this machine: `all`, or their numbers.
enum GPUList: ExpressibleByArgument, Equatable {
    case all
    case numbers([Int])

    init?(argument: String) {
        if argument == "all" {
            self = .all
            return
        }
        var numbers: [Int] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int(part), number >= 0, !numbers.contains(number) else { return nil }
            numbers.append(number)
        }
        self = .numbers(numbers)
    }

    /// The numbers, of as many GPUs as the driver shows.
    ///
    /// - Parameter count: how many there are
    /// - Throws: `TorchError` (`unavailable`) for a GPU that is not there, and where there is none
    func numbers(count: () throws -> Int) throws -> [Int] {
        let found = try count()
        func unavailable(_ message: String) -> TorchError {
            TorchError(.unavailable, operation: "--gpus", message: message)
        }
        switch self {
        case .all:
            guard found > 0 else { throw unavailable("the driver shows no GPU") }
            return Array(0..<found)
        case .numbers(let numbers):
            if let missing = numbers.first(where: { $0 >= found }) {
                throw unavailable(
                    "there is no GPU \(missing): the driver shows \(found), counted from 0")
            }
            return numbers
        }
    }
}
