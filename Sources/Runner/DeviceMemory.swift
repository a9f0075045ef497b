import Foundation
import Synchronization
package import Torch

/// The memory of one device, as its driver counts it: of all programs that use the device.
package struct DeviceMemory: Sendable {
    /// Bytes.
    package var total: Int64
    /// Bytes that are free now. Called on any thread.
    package var free: @Sendable () throws -> Int64

    package init(total: Int64, free: @escaping @Sendable () throws -> Int64) {
        self.total = total
        self.free = free
    }
}

extension DeviceMemory {
    /// `nil` on the CPU, and where the driver does not say.
    package init?(of device: Device) {
        guard case .cuda(let index) = device, let found = try? CUDADevice.device(index) else {
            return nil
        }
        self.init(total: Int64(found.totalMemory), free: { Int64(try found.freeMemory()) })
    }
}

/// The most device memory in use while something runs: asked for at each progress point, and by a thread of
/// its own every few milliseconds, since a prefill takes its largest tensors between two points.
final class DeviceMemoryWatch: Sendable {
    private let memory: DeviceMemory
    private let interval: DispatchTimeInterval
    private let lowest = Mutex<Int64?>(nil)

    init(_ memory: DeviceMemory, interval: DispatchTimeInterval = .milliseconds(5)) {
        self.memory = memory
        self.interval = interval
    }

    /// Notes what is free now. A driver that does not say changes nothing.
    func sample() {
        guard let free = try? memory.free() else { return }
        lowest.withLock { $0 = min($0 ?? free, free) }
    }

    /// Bytes, since the last `during` began; `nil` where the driver never said.
    var peakBytes: Int64? { lowest.withLock { $0.map { memory.total - $0 } } }

    func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        lowest.withLock { $0 = nil }
        let over = DispatchSemaphore(value: 0)
        let ended = DispatchSemaphore(value: 0)
        let thread = Thread { [self] in
            repeat { sample() } while over.wait(timeout: .now() + interval) == .timedOut
            ended.signal()
        }
        thread.name = "device memory"
        thread.start()
        defer {
            over.signal()
            ended.wait()
            sample()
        }
        return try body()
    }
}
