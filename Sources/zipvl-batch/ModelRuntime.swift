import ArgumentParser
import Foundation
import Glibc
import Jobs
import Runner
import Torch
import VideoFrames

/// What decides where the model runs.
struct DeviceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "auto, cpu or cuda:N; auto takes the first GPU that there is (default: auto).",
            valueName: "device"))
    var device: String?

    @Option(
        help: ArgumentHelp("Folder of PyTorch, instead of the one that is found.", valueName: "dir")
    )
    var torch: String?

    func validate() throws {
        if let device, device != "auto", Device(device) == nil {
            throw ValidationError("--device \(device): expected auto, cpu or cuda:N")
        }
    }

    var name: String {
        guard let device, device != "auto" else {
            return MachineDevices.hasGPU ? "cuda:0" : "cpu"
        }
        return Device(device).map { "\($0)" } ?? device
    }

    var kind: AnalysisOptions.DeviceKind { name == "cpu" ? .cpu : .cuda }

    /// Loads libtorch, with its CUDA part for a GPU.
    func loadTorch() throws -> TorchLibrary {
        let library = try TorchLibrary.load(explicit: torch)
        if kind == .cuda { try library.loadCUDA() }
        return library
    }

    /// The thread that the model will run on. libtorch must have been loaded.
    func engine() -> EngineActor {
        EngineActor(device: name, memory: Device(name).flatMap { DeviceMemory(of: $0) })
    }
}

/// The GPUs that the driver shows.
enum MachineDevices {
    static var hasGPU: Bool { access("/dev/nvidiactl", R_OK) == 0 }
    static var kind: AnalysisOptions.DeviceKind { hasGPU ? .cuda : .cpu }

    /// - Throws: `TorchError` (`unavailable`) where there is no driver
    static func gpuCount() throws -> Int { try CUDADevice.count() }
}

/// The sampling child of this binary, and what it gave before.
enum SamplerLaunch {
    static func start() -> SamplerProcess {
        // The kernel's own name of this binary, whatever the caller put into argv[0].
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        return SamplerProcess(executable: path ?? CommandLine.arguments[0])
    }

    /// - Parameter limit: bytes
    /// - Returns: `nil` where no frames are to be kept, and where there is no place for them
    static func cache(isOff: Bool, limit: Int64) -> FrameCache? {
        let environment = ProcessInfo.processInfo.environment
        guard !isOff, let folder = FrameCache.standardFolder(environment) else { return nil }
        return FrameCache(folder: folder, limit: limit) {
            Terminal.complain("warning: frame cache: \($0)")
        }
    }
}
