import Testing
import Torch

@testable import zipvl_batch

/// What `work --gpus` makes of its own command line.
@Suite struct WorkFleetTests {
    @Test func `a worker gets the same arguments but for its device`() {
        #expect(
            WorkFleet.arguments(
                [
                    "--queue", "q.db", "work", "--gpus", "all", "--drain", "--progress", "bar",
                    "--until", "06:00",
                ], gpu: 3, of: 1, style: .plain)
                == [
                    "--queue", "q.db", "work", "--drain", "--until", "06:00", "--device", "cuda:3",
                    "--progress", "plain",
                ])
        #expect(
            WorkFleet.arguments(
                ["work", "--gpus=0,1", "--progress=bar", "--drain"], gpu: 0, of: 2, style: .none,
                cores: 6)
                == [
                    "work", "--drain", "--decode-threads", "3", "--device", "cuda:0", "--progress",
                    "none",
                ])
        #expect(
            WorkFleet.arguments(
                ["work", "--decode-threads", "5", "--gpus", "0,1"], gpu: 1, of: 2, style: .plain)
                == ["work", "--decode-threads", "5", "--device", "cuda:1", "--progress", "plain"])
    }

    @Test func `all GPUs are those that the driver shows`() throws {
        #expect(try GPUList.all.numbers { 3 } == [0, 1, 2])
        #expect(try GPUList.numbers([2, 0]).numbers { 3 } == [2, 0])
        #expect(throws: TorchError.self) { try GPUList.all.numbers { 0 } }
        let error = #expect(throws: TorchError.self) { try GPUList.numbers([0, 3]).numbers { 3 } }
        #expect(error?.kind == .unavailable)
        #expect(
            error?.description == "--gpus: there is no GPU 3: the driver shows 3, counted from 0")
    }

    @Test(arguments: ["", "a", "0,", "1,1", "-2", "all,0"])
    func `a list that makes no sense is none`(_ text: String) {
        #expect(GPUList(argument: text) == nil)
    }
}
