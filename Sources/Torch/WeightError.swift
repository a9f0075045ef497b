/// What is wrong with a checkpoint: the file or folder, and every problem found in it.
package struct WeightError: Error, Sendable, CustomStringConvertible {
    package let path: String
    package let problems: [String]

    package init(_ path: String, _ problems: [String]) {
        self.path = path
        self.problems = problems
    }

    package init(_ path: String, _ problem: String) {
        self.init(path, [problem])
    }

    package var description: String {
        let shown = problems.prefix(20).joined(separator: "; ")
        let rest = problems.count > 20 ? "; and \(problems.count - 20) more" : ""
        return "\(path): \(shown)\(rest)"
    }
}
