import Glibc

/// Turns the engine's own kernels on and off.
enum KernelSwitch: String, CaseIterable {
    case on, off

    static let variable = "ZIPVL_KERNELS"

    func apply() {
        switch self {
        case .on: unsetenv(Self.variable)
        case .off: setenv(Self.variable, "off", 1)
        }
    }
}
