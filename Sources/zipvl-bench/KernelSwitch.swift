import Torch

/// Turns the engine's own kernels on and off.
enum KernelSwitch: String, CaseIterable {
    case on, off

    func apply() { Kernels.isEnabled = self == .on }
}
