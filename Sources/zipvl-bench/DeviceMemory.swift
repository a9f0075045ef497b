import Glibc
import Torch

/// A GPU's name and free memory, asked of the driver.
struct DeviceMemory {
    let name: String
    private let memoryInfo: MemoryInfo

    private typealias MemoryInfo =
        @convention(c) (
            UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>
        ) -> Int32

    init?(_ device: Device) {
        guard case .cuda(let index) = device, let library = dlopen("libcuda.so.1", RTLD_NOW)
        else { return nil }
        func function<F>(_ name: String, _ type: F.Type) -> F? {
            dlsym(library, name).map { unsafeBitCast($0, to: type) }
        }
        typealias GetName = @convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Int32
        typealias Initialize = @convention(c) (UInt32) -> Int32
        typealias Retain = @convention(c) (UnsafeMutablePointer<OpaquePointer?>, Int32) -> Int32
        typealias SetCurrent = @convention(c) (OpaquePointer?) -> Int32
        var context: OpaquePointer?
        var text = [CChar](repeating: 0, count: 256)
        guard let initialize = function("cuInit", Initialize.self), initialize(0) == 0,
            let getName = function("cuDeviceGetName", GetName.self),
            getName(&text, Int32(text.count), Int32(index)) == 0,
            let retain = function("cuDevicePrimaryCtxRetain", Retain.self),
            retain(&context, Int32(index)) == 0,
            let setCurrent = function("cuCtxSetCurrent", SetCurrent.self),
            setCurrent(context) == 0,
            let memoryInfo = function("cuMemGetInfo_v2", MemoryInfo.self)
        else { return nil }
        name = String(
            decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        self.memoryInfo = memoryInfo
    }

    func freeBytes() -> Int? {
        var (free, total) = (0, 0)
        return memoryInfo(&free, &total) == 0 ? free : nil
    }

    func totalBytes() -> Int? {
        var (free, total) = (0, 0)
        return memoryInfo(&free, &total) == 0 ? total : nil
    }
}
