/// What a decoding step's kernels are sized for, and where its buffers lie.
package struct DecodeTarget {
    package let place: Device
    package let multiprocessors: Int
    /// `nil` where an emulator on the CPU stands for the device.
    package let device: CUDADevice?
    package let tuning: DecodeTuning
    let products: KernelSource
    let attention: KernelSource

    package init(_ device: CUDADevice, tuning: DecodeTuning = DecodeTuning()) {
        self.tuning = tuning
        products = tuning.products
        attention = tuning.attention
        place = .cuda(device.index)
        multiprocessors = device.multiprocessors
        self.device = device
    }

    /// Buffers on the CPU, for an emulator of a device of that size.
    package init(emulatedMultiprocessors: Int, tuning: DecodeTuning = DecodeTuning()) {
        self.tuning = tuning
        products = tuning.products
        attention = tuning.attention
        place = .cpu
        multiprocessors = emulatedMultiprocessors
        device = nil
    }
}

/// Numbers that kernels write and the host reads.
struct HostResults {
    private enum Memory {
        case pinned(PinnedBuffer)
        case tensor(Tensor)
    }

    private let memory: Memory
    private let host: UnsafeMutableRawPointer

    init(count: Int, on target: DecodeTarget) throws(TorchError) {
        if let device = target.device {
            let buffer = try PinnedBuffer(bytes: count * 4, on: device)
            memory = .pinned(buffer)
            host = buffer.host
        } else {
            let tensor = try Tensor.zeros([count], .int32)
            guard let address = try tensor.address() else {
                throw TorchError(.outOfMemory, operation: "results", message: "no memory came")
            }
            memory = .tensor(tensor)
            host = address
        }
    }

    var argument: KernelArgument {
        switch memory {
        case .pinned(let buffer): .address(buffer.address)
        case .tensor(let tensor): .tensor(tensor)
        }
    }

    subscript(_ index: Int) -> Int {
        withExtendedLifetime(memory) {
            Int(host.load(fromByteOffset: 4 * index, as: Int32.self))
        }
    }
}
