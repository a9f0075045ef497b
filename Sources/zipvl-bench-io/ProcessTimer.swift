import Glibc

/// Wall time and processor time (user and system, all threads) since it was made.
struct ProcessTimer {
    private let start = ContinuousClock.now
    private let startCPU = Self.cpuMilliseconds()

    var elapsed: (wall: Double, cpu: Double) {
        let wall = (ContinuousClock.now - start).components
        return (
            Double(wall.seconds) * 1e3 + Double(wall.attoseconds) * 1e-15,
            Self.cpuMilliseconds() - startCPU
        )
    }

    private static func cpuMilliseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) * 1e-6
    }
}
