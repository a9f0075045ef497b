import ArgumentParser

/// How `work` shows how far it is.
enum ProgressStyle: String, ExpressibleByArgument, CaseIterable {
    /// A bar on a terminal, plain lines elsewhere.
    case auto
    case bar, plain, none

    func resolved(_ global: GlobalOptions) -> ProgressStyle {
        guard self == .auto else { return self }
        if global.quiet { return .none }
        return Terminal.showsErrors ? .bar : .plain
    }
}
