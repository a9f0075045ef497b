import Foundation
import TestSupport
import Testing

@testable import Torch

/// The embedded CUDA sources, compiled where NVRTC is found: beside libtorch, in a toolkit, or in the folder that
/// ZIPVL_NVRTC names. No GPU is needed.
@Suite struct KernelCompilationTests {
    private static let compiler = KernelCompiler.availability()

    private static var isThere: Bool {
        switch compiler {
        case .success: true
        case .failure: false
        }
    }

    @Test(
        .enabled(if: isThere, "no NVRTC: pip's nvidia-cuda-nvrtc has it, or ZIPVL_NVRTC names it"),
        arguments: KernelSource.all.map(\.name), ["sm_90a", "sm_100a"])
    func `Every kernel compiles for the devices that run it`(
        _ name: String, _ architecture: String
    ) throws {
        let source = try #require(KernelSource.all.first { $0.name == name })
        let image = try KernelCompiler.compile(
            source.text, name: name + ".cu", architecture: architecture)
        #expect(image.starts(with: [0x7F] + Array("ELF".utf8)))
        // The kernels that no macro names are in the image.
        let kernels = source.text
            .matches(of: /^KERNEL\([^)]*\)\s*(\w+)\(/.anchorsMatchLineEndings())
            .map { String($0.output.1) }
        for kernel in kernels { #expect(Data(image).firstRange(of: Data(kernel.utf8)) != nil) }
    }

    @Test(
        .enabled(if: isThere, "no NVRTC: pip's nvidia-cuda-nvrtc has it, or ZIPVL_NVRTC names it"))
    func `What does not compile is told in the compiler's words`() {
        let error = #expect(throws: TorchError.self) {
            try KernelCompiler.compile(
                "\n__global__ void k() { undeclared = 1; }", name: "broken.cu",
                architecture: "sm_90a")
        }
        #expect(error?.message.contains("broken.cu(2)") == true)
        #expect(error?.message.contains("undeclared") == true)
    }

    @Test func `Every source in the folder of kernels can be launched`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/Torch/Kernels")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".cu") }.sorted()
        #expect(KernelSource.all.map { $0.name + ".cu" }.sorted() == files)
        for source in KernelSource.all {
            let text = try String(
                contentsOf: folder.appending(path: source.name + ".cu"), encoding: .utf8)
            #expect(source.text.hasSuffix(text) && source.text.hasPrefix("// What every kernel"))
        }
    }

    @Test func `Kernels are for devices that have what they use`() throws {
        func serves(_ generation: Int, kibibytes: Int) -> Bool {
            CUDADevice.servesKernels(
                generation: generation, sharedBytesPerBlock: kibibytes << 10)
        }
        // A100 and L40 lack the instructions, the RTX 5090 the memory; H100 and B200 have both.
        #expect(!serves(8, kibibytes: 163) && !serves(8, kibibytes: 99))
        #expect(!serves(12, kibibytes: 99))
        #expect(serves(9, kibibytes: 227) && serves(10, kibibytes: 227))
        try LoadedTorch.load()
        let matrix = DecodeMatrix(weight: try Tensor.empty([16, 18_944], .bfloat16))
        #expect(
            MatrixVectorShape(matrix, sequences: 8, DecodeTuning()).sharedBytes <= 113 << 10)
    }
}
