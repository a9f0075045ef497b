package import VideoFrames

/// With what a machine decodes videos. No answer depends on it: it belongs to whoever works, not to a job.
package struct DecodingChoice: Sendable, Equatable {
    /// Groups of pictures decoded at a time, 0 for one on each core and at most eight.
    package var threads: Int
    package var hardware: HardwareDecoding

    package init(threads: Int = 0, hardware: HardwareDecoding = .none) {
        self.threads = threads
        self.hardware = hardware
    }
}
