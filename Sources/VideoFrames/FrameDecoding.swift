internal import Synchronization

/// Decodes chosen frames of an open video, in one pass for each group of pictures, several groups at a time.
final class FrameDecoding {
    private let video: OpenVideo
    private let threads: Int
    private let makeSink: () throws(VideoError) -> any FrameSink
    private var slots: [LaneSlot]
    private(set) var record = DecodingRecord()

    /// - Parameters:
    ///   - threads: groups decoded at a time
    ///   - makeSink: called once for each lane, before it starts
    init(
        _ video: OpenVideo, threads: Int = 1,
        makeSink: @escaping () throws(VideoError) -> any FrameSink
    ) {
        self.video = video
        self.threads = max(1, threads)
        self.makeSink = makeSink
        slots = [LaneSlot(video.lane)]
    }

    /// Packets read by the lanes that were opened beside the video's own.
    var packetsReadBeside: Int {
        slots.dropFirst().reduce(0) { $0 + ($1.lane?.reader.packetsRead ?? 0) }
    }

    /// Decodes the frames of the given ranks as far as that is possible.
    ///
    /// - Returns: the ranks that could not be had.
    func run(ranks: [Int]) throws(VideoError) -> [Int] {
        let wanted = Set(ranks)
        let fromStart = SeekKind(container: video.container) == .none
        try pass(video.table.plan(ranks: Array(wanted), fromStart: fromStart), skipping: true)
        for stepBack in fromStart ? [] : stepsBack {
            let missing = wanted.subtracting(record.delivered)
            if missing.isEmpty { break }
            try pass(
                video.table.plan(ranks: Array(missing), stepBack: stepBack, fromStart: fromStart),
                skipping: false)
        }
        return wanted.subtracting(record.delivered).sorted()
    }

    /// How many keys earlier to begin for a frame that did not come out. A "key" packet that only begins a
    /// gradual refresh shows nothing before the refresh is complete. A file in which every packet is called
    /// a key, of a codec that does more, does not know its keys: there one lies some seconds back.
    private var stepsBack: [Int] {
        let allKeys = video.table.keys.count == video.table.entries.count
        return allKeys && !video.lane.decoder.isIntraOnly ? [1, 2, 300] : [1, 2]
    }

    /// The ranks nearest to which a lost frame is replaced: undamaged ones if there are any.
    var readable: [Int] {
        let good = record.seen.subtracting(record.damagedFrames)
        return (good.isEmpty ? record.seen : good).sorted()
    }

    /// Decodes everything around the given ranks, to learn which frames near them are readable.
    func explore(ranks: [Int]) throws(VideoError) {
        let fromStart = SeekKind(container: video.container) == .none
        try pass(video.table.plan(ranks: ranks, fromStart: fromStart), skipping: false)
    }

    /// Works off a list of tasks, which share no packet and no target.
    private func pass(_ tasks: [DecodeTask], skipping: Bool) throws(VideoError) {
        let passes = tasks.map {
            DecodingPass(
                video: video, table: video.table, task: $0, skipping: skipping,
                done: record.delivered)
        }
        if skipping, let only = passes.first, passes.count == 1, try runThreaded(only) { return }
        let count = min(threads, passes.count)
        while slots.count < count { slots.append(LaneSlot(nil)) }
        let queue = PassQueue(passes, slots, video, makeSink)
        ThreadGroup.run(count) { queue.work(slot: $0) }
        let (result, error) = queue.result
        record.add(result)
        if let error { throw error }
    }

    /// Decodes the frames of a clip's only group on several threads.
    ///
    /// Their errors come later than the packets that cause them, and some pictures come out before it is known
    /// that they are damaged: unless all is well and the decoder has said nothing, nothing has been done.
    ///
    /// - Returns: whether it has
    private func runThreaded(_ pass: DecodingPass) throws(VideoError) -> Bool {
        guard threads > 1, video.device == nil, video.lane.decoder.canThreadFrames,
            pass.task.last - pass.task.start >= Self.fewestThreadedPackets
        else { return false }
        try video.renewDecoder(threads: min(threads, Self.mostFrameThreads))
        let result: DecodingRecord
        do throws(VideoError) {
            let (lane, sink) = try slots[0].opened(video, makeSink)
            result = try pass.run(on: lane, into: sink)
        } catch {
            try video.renewDecoder()
            throw error
        }
        let hasSpoken = video.lane.decoder.hasSpoken
        try video.renewDecoder()
        guard result.isClean, !hasSpoken, result.delivered.isSuperset(of: pass.task.targets) else {
            return false
        }
        record.add(result)
        return true
    }

    /// Below that the threads' start is all they do.
    private static let fewestThreadedPackets = 32
    /// Each thread holds pictures of its own, and more of them gain little.
    private static let mostFrameThreads = 8
}

/// The lane of one thread, opened when the first task is there for it.
private final class LaneSlot {
    private(set) var lane: VideoLane?
    private var sink: (any FrameSink)?

    init(_ lane: VideoLane?) { self.lane = lane }

    func opened(
        _ video: OpenVideo, _ makeSink: () throws(VideoError) -> any FrameSink
    ) throws(VideoError) -> (VideoLane, any FrameSink) {
        if let lane, let sink { return (lane, sink) }
        let fresh: VideoLane
        if let lane { fresh = lane } else { fresh = try video.openLane() }
        let sink = try makeSink()
        (lane, self.sink) = (fresh, sink)
        return (fresh, sink)
    }
}

/// The passes that wait, and what came of the others. Each lane takes the next one as soon as it is free:
/// groups differ too much in length to be dealt out beforehand.
///
/// Sendable although its parts are not: a slot is used by one thread, and the video and its table do not
/// change while passes run.
private final class PassQueue: @unchecked Sendable {
    private struct State {
        var next = 0
        var record = DecodingRecord()
        var error: VideoError?
    }

    private let passes: [DecodingPass]
    private let slots: [LaneSlot]
    private let video: OpenVideo
    private let makeSink: () throws(VideoError) -> any FrameSink
    private let state = Mutex(State())

    init(
        _ passes: [DecodingPass], _ slots: [LaneSlot], _ video: OpenVideo,
        _ makeSink: @escaping () throws(VideoError) -> any FrameSink
    ) {
        self.passes = passes
        self.slots = slots
        self.video = video
        self.makeSink = makeSink
    }

    /// Runs passes until none is left or one has failed.
    func work(slot: Int) {
        while let pass = next() {
            do throws(VideoError) {
                let (lane, sink) = try slots[slot].opened(video, makeSink)
                let record = try pass.run(on: lane, into: sink)
                state.withLock { $0.record.add(record) }
            } catch {
                state.withLock { if $0.error == nil { $0.error = error } }
            }
        }
    }

    private func next() -> DecodingPass? {
        state.withLock {
            guard $0.error == nil, $0.next < passes.count else { return nil }
            $0.next += 1
            return passes[$0.next - 1]
        }
    }

    var result: (DecodingRecord, VideoError?) { state.withLock { ($0.record, $0.error) } }
}
