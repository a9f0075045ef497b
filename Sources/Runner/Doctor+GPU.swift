import Jobs
import Torch

extension Doctor {
    /// The GPU that a run would use, and whether its kernels can be compiled there.
    func gpuFindings() -> [Finding] {
        guard let named = Device(device), case .cuda(let index) = named else {
            return [Finding(level: .ok, subject: "gpu", detail: "not used: device \(device)")]
        }
        do {
            let gpu = try CUDADevice.device(index)
            let free = try gpu.freeMemory()
            return [
                Finding(
                    level: .ok, subject: "gpu",
                    detail: "\(device) of \(try CUDADevice.count()): \(gpu.name), "
                        + "\(free >> 20) of \(gpu.totalMemory >> 20) MiB free, "
                        + "driver for CUDA \(try CUDADevice.driverVersion())"),
                kernelFinding(gpu),
            ]
        } catch {
            return [Finding(level: .error, subject: "gpu", detail: "\(error)")]
        }
    }

    private func kernelFinding(_ gpu: CUDADevice) -> Finding {
        let slow =
            "libtorch's plain operators do everything: ZipVL's prefill takes about 1.3 times as long, "
            + "a generated token two to three times"
        guard Kernels.isEnabled else {
            return Finding(
                level: .warning, subject: "kernels",
                detail: "switched off (ZIPVL_KERNELS=off); \(slow)")
        }
        guard gpu.servesKernels else {
            return Finding(
                level: .warning, subject: "kernels",
                detail:
                    "not for \(gpu.architecture) with \(gpu.sharedBytesPerBlock >> 10) KiB of shared "
                    + "memory a block: they need compute capability 9.0 and 128 KiB; \(slow)")
        }
        switch KernelCompiler.availability() {
        case .failure(let error):
            return Finding(
                level: .warning, subject: "kernels",
                detail: "no NVRTC (\(error.message)); \(slow). "
                    + "Install the CUDA toolkit or pip's nvidia-cuda-nvrtc, or name its folder with "
                    + "ZIPVL_NVRTC")
        case .success(let compiler):
            guard let folder = KernelCache.folder else {
                return Finding(
                    level: .warning, subject: "kernels",
                    detail:
                        "\(compiler); no folder to keep kernels in: every start compiles them again "
                        + "(set ZIPVL_KERNEL_CACHE)")
            }
            return Finding(
                level: .ok, subject: "kernels",
                detail: "\(compiler), kept in \(folder); the first start compiles them")
        }
    }
}
