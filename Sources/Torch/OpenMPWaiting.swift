import Glibc

/// How long idle OpenMP threads spin before they sleep.
///
/// libgomp's own default burns milliseconds at every barrier. Where others use the cores, the thread that is waited for
/// does not even run meanwhile, and answers take several times as long; threads that sleep at once cost a fifth of the
/// time on a quiet machine. A thousand turns lose little of either.
package enum OpenMPWaiting {
    private static let spins = "1000"

    /// Whether the user has said it.
    private static var isSet: Bool {
        getenv("GOMP_SPINCOUNT") != nil || getenv("OMP_WAIT_POLICY") != nil
    }

    /// For a libgomp that is loaded after this call, and for child processes.
    package static func set() {
        if !isSet { setenv("GOMP_SPINCOUNT", spins, 0) }
    }

    /// Starts the program anew where libgomp is there already: it reads the environment when it is loaded,
    /// and libavcodec may bring it before `main`. Call it first of all; it returns when nothing is to be done.
    package static func restartIfLoaded() {
        guard !isSet, let handle = dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD) else { return }
        dlclose(handle)
        set()
        // The file's own path: by /proc/self/exe the process would be called "exe" from then on.
        var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else { return }
        execv(path, CommandLine.unsafeArgv)
        // No way to start it again: it goes on as it is.
    }
}
