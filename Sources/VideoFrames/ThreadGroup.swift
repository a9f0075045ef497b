internal import Glibc

/// Runs a body on several threads of its own. They are not a pool's: each is held by a decoder for seconds,
/// and whoever else uses the pool must not keep them from starting.
enum ThreadGroup {
    private final class Start {
        let body: @Sendable (Int) -> Void
        let number: Int

        init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) {
            self.number = number
            self.body = body
        }
    }

    /// Calls `body` with 0 to `count - 1`, 0 on the calling thread, and returns when all have returned.
    /// Where the system gives no more threads, fewer numbers are called, 0 always.
    static func run(_ count: Int, body: @escaping @Sendable (Int) -> Void) {
        var threads: [pthread_t] = []
        for number in 1..<max(1, count) {
            let start = Unmanaged.passRetained(Start(number, body))
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { opaque in
                    guard let opaque else { return nil }
                    let start = Unmanaged<Start>.fromOpaque(opaque).takeRetainedValue()
                    start.body(start.number)
                    return nil
                }, start.toOpaque())
            guard code == 0 else {
                start.release()
                break
            }
            threads.append(thread)
        }
        body(0)
        for thread in threads { pthread_join(thread, nil) }
    }
}
