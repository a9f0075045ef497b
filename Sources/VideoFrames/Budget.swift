internal import CFFmpeg

/// The time that one video may take. libav asks it during blocking reads, the sampler between packets.
final class Budget {
    private let deadline: ContinuousClock.Instant?

    init(_ limit: Duration?) {
        deadline = limit.map { ContinuousClock.now + $0 }
    }

    var isSpent: Bool {
        guard let deadline else { return false }
        return ContinuousClock.now >= deadline
    }

    func check(_ path: String, _ doing: String) throws(VideoError) {
        if isSpent { throw .timedOut(path, doing) }
    }

    /// The callback holds no reference: the demuxer that installs it keeps this object alive.
    var interruptCallback: AVIOInterruptCB {
        AVIOInterruptCB(
            callback: { opaque in
                guard let opaque else { return 0 }
                return Unmanaged<Budget>.fromOpaque(opaque).takeUnretainedValue().isSpent ? 1 : 0
            },
            opaque: Unmanaged.passUnretained(self).toOpaque())
    }
}
