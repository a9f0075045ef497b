internal import CFFmpeg
internal import Glibc

/// The sampling child: the body of the hidden verb.
package enum SamplerChild {
    /// Answers requests from standard input until it is closed.
    ///
    /// - Returns: the exit status.
    package static func run() -> Int32 {
        var facts = stat()
        guard fstat(SharedFrames.childDescriptor, &facts) == 0 else {
            let text = "this verb is started by the program itself and has no use by hand\n"
            _ = text.withCString { write(2, $0, strlen($0)) }
            return 2
        }
        // Signals to a whole process group or control group are for the parent: it lets a job finish, and
        // the child goes when the parent does.
        for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { signal(number, SIG_IGN) }
        _ = zvl_die_with_parent()
        var noCore = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &noCore)
        guard let channel = takeChannel() else { return 1 }
        defer { close(channel) }
        while let body = receive(channel) {
            guard let request = try? Wire.decode(ChildRequest.self, from: body),
                let reply = try? Wire.encode(answer(request)),
                send(reply, to: channel)
            else { return 1 }
        }
        return 0
    }

    /// Moves the socket away from the standard descriptors, so that nothing a library prints gets into it.
    private static func takeChannel() -> Int32? {
        let channel = fcntl(0, F_DUPFD_CLOEXEC, 10)
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard channel >= 0, null >= 0 else { return nil }
        dup2(null, 0)
        dup2(2, 1)
        close(null)
        return channel
    }

    private static func answer(_ request: ChildRequest) -> ChildReply {
        ProcessMemory.resetPeak()
        var limits = SamplingLimits()
        limits.time = .milliseconds(Int64(max(1, request.budgetMilliseconds)))
        var reply = ChildReply()
        do throws(VideoError) {
            switch request.kind {
            case .probe:
                reply.facts = try FrameSampler.probe(path: request.sampling.path, limits: limits)
            case .sample:
                let mapping = FrameMapping()
                let path = request.sampling.path
                let run = try SamplingRun(request.sampling, limits: limits) {
                    bytes throws(VideoError) in try mapping.map(bytes, path: path)
                }
                var frames = try run.sample()
                frames.childPeakBytes = ProcessMemory.peakBytes
                reply.frames = frames
                reply.pixelBytes = mapping.count
            }
        } catch {
            reply.error = error
        }
        return reply
    }

    private static func receive(_ channel: Int32) -> [UInt8]? {
        guard let header = read(channel, count: 4), let length = Wire.bodyLength(header) else {
            return nil
        }
        return read(channel, count: length)
    }

    private static func read(_ channel: Int32, count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let length = bytes.withUnsafeMutableBytes {
                Glibc.read(channel, $0.baseAddress.map { $0 + filled }, count - filled)
            }
            if length < 0 && errno == EINTR { continue }
            guard length > 0 else { return nil }
            filled += length
        }
        return bytes
    }

    private static func send(_ bytes: [UInt8], to channel: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let length = bytes.withUnsafeBytes {
                Glibc.send(
                    channel, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if length < 0 && errno == EINTR { continue }
            guard length > 0 else { return false }
            sent += length
        }
        return true
    }
}
