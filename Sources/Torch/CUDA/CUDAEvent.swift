import CTorch

/// A point in the work that was queued on a device.
package final class CUDAEvent {
    private let event: OpaquePointer?
    private let device: CUDADevice

    /// - Parameter timing: whether `milliseconds(since:)` will be asked; waiting is quicker without.
    package init(on device: CUDADevice, timing: Bool = false) throws(TorchError) {
        try device.makeCurrent()
        var event: OpaquePointer?
        try checkCUDA(cc_event_create(timing, &event), "cuEventCreate")
        self.event = event
        self.device = device
    }

    deinit { _ = cc_event_destroy(event) }

    /// Marks the end of what libtorch has queued on this thread's stream.
    package func record() throws(TorchError) {
        let stream = try device.currentStream()
        try device.makeCurrent()
        try checkCUDA(cc_event_record(event, stream), "cuEventRecord")
    }

    /// Waits until the device has come to the mark.
    package func synchronize() throws(TorchError) {
        try checkCUDA(cc_event_synchronize(event), "cuEventSynchronize")
    }

    /// Device time between two marks that have been reached.
    package func milliseconds(since start: CUDAEvent) throws(TorchError) -> Double {
        var milliseconds: Float = 0
        try checkCUDA(
            cc_event_milliseconds(start.event, event, &milliseconds), "cuEventElapsedTime")
        return Double(milliseconds)
    }
}
