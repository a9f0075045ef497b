import CTorch
import Glibc
import Synchronization

/// Where the program's own kernels serve. What they do is always done by plain operators as well: the
/// fused operations choose by what `device` says.
package enum Kernels {
    private static let enabled = Atomic<Bool>(
        getenv("ZIPVL_KERNELS").map { String(cString: $0) } != "off")

    /// Whether kernels are used at all; off with `ZIPVL_KERNELS=off`.
    package static var isEnabled: Bool {
        get { enabled.load(ordering: .relaxed) }
        set { enabled.store(newValue, ordering: .relaxed) }
    }

    /// The device on which all of the tensors lie, where kernels are used, can be compiled and can run;
    /// `nil` on the CPU.
    package static func device(_ tensors: Tensor?...) throws(TorchError) -> CUDADevice? {
        guard isEnabled else { return nil }
        var found: Int?
        for case let tensor? in tensors {
            guard case .cuda(let index) = try tensor.device(), found ?? index == index else {
                return nil
            }
            found = index
        }
        guard let found, canCompile else { return nil }
        let device = try CUDADevice.device(found)
        return device.servesKernels ? device : nil
    }

    /// Asked once: without NVRTC the plain operators do everything, and `doctor` says so.
    private static let canCompile: Bool =
        switch KernelCompiler.availability() {
        case .success: true
        case .failure: false
        }
}
