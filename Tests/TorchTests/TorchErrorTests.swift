import TestSupport
import Testing

@testable import Torch

@Suite struct TorchErrorTests {
    init() throws { try LoadedTorch.load() }

    @Test func anErrorNamesTheOperationTheShapesAndLibtorchsMessage() throws {
        let error = #expect(throws: TorchError.self) {
            try Tensor.zeros([2, 3], .float32).matmul(Tensor.zeros([4, 5], .float32))
        }
        let text = try #require(error).description
        #expect(text.contains("aten::matmul([2, 3], [4, 5])"))
        #expect(text.contains("cannot be multiplied"))
    }

    @Test func outOfMemoryIsAnErrorOfItsOwnKind() {
        let error = #expect(throws: TorchError.self) {
            try Tensor.empty([1 << 40, 1 << 10], .float32)
        }
        #expect(error?.kind == .outOfMemory)
    }

    @Test func aFolderWithoutTheLibraryIsNamed() {
        // The library is loaded once a process: what is wrong with a further place is still reported.
        let error = #expect(throws: TorchError.self) {
            try TorchLibrary(directory: "/nowhere/lib", version: "0", origin: "test").loadCUDA()
        }
        #expect(error?.kind == .unavailable)
        #expect(error?.description.contains("/nowhere/lib/libtorch_cuda.so") == true)
    }

    @Test func workThatThrowsLeavesNoHandleBehind() throws {
        let before = Tensor.liveOnThisThread
        for _ in 0..<100 {
            let a = try Tensor.zeros([2, 3], .float32)
            #expect(throws: TorchError.self) { try (a + a).matmul(a) }
        }
        #expect(Tensor.liveOnThisThread == before)
    }
}
