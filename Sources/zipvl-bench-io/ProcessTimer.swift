import Glibc

/// Wall time, and processor time (user and system, all threads) of this process and of the children that
/// it has waited for, since it was made.
struct ProcessTimer {
    private let start = ContinuousClock.now
    private let startCPU = Self.cpuMilliseconds()

    var wallMilliseconds: Double {
        let wall = (ContinuousClock.now - start).components
        return Double(wall.seconds) * 1e3 + Double(wall.attoseconds) * 1e-15
    }

    var cpuMilliseconds: Double { Self.cpuMilliseconds() - startCPU }

    private static func cpuMilliseconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        var children = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &children)
        return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) * 1e-6
            + milliseconds(children.ru_utime) + milliseconds(children.ru_stime)
    }

    private static func milliseconds(_ time: timeval) -> Double {
        Double(time.tv_sec) * 1e3 + Double(time.tv_usec) * 1e-3
    }
}
