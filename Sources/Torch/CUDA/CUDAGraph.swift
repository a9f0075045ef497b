import CTorch

/// Kernels that were recorded once and are launched together: the host's part is one call.
///
/// The graph keeps addresses, not tensors: whoever records keeps the tensors alive.
package final class CUDAGraph {
    private let executable: OpaquePointer?
    private let device: CUDADevice

    /// - Parameters:
    ///   - overlapping: a kernel may begin before the one in front of it has ended; each waits by itself
    ///     for what it needs.
    ///   - record: puts kernels into the queue it is given, and nothing else on the device.
    package init(
        on device: CUDADevice, overlapping: Bool, _ record: (KernelQueue) throws -> Void
    ) throws {
        try device.makeCurrent()
        var stream: OpaquePointer?
        try checkCUDA(cc_stream_create(&stream), "cuStreamCreate")
        defer { _ = cc_stream_destroy(stream) }
        try checkCUDA(cc_capture_begin(stream), "cuStreamBeginCapture")
        let recorded = Result {
            try record(KernelQueue(device, stream: stream, overlaps: overlapping))
        }
        // A recording must end whatever became of it.
        var graph: OpaquePointer?
        let code = cc_capture_end(stream, &graph)
        defer { if let graph { _ = cc_graph_destroy(graph) } }
        try recorded.get()
        try checkCUDA(code, "cuStreamEndCapture")
        var executable: OpaquePointer?
        try checkCUDA(cc_graph_instantiate(graph, &executable), "cuGraphInstantiate")
        self.executable = executable
        self.device = device
    }

    deinit { _ = cc_graph_exec_destroy(executable) }

    /// Queues all kernels on the stream that libtorch uses on this thread.
    package func launch() throws(TorchError) {
        let stream = try device.currentStream()
        try device.makeCurrent()
        try checkCUDA(cc_graph_launch(executable, stream), "cuGraphLaunch")
    }
}
