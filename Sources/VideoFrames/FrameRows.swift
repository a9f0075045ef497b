internal import Synchronization

/// The memory of all rows of a result, which lanes fill at the same time: each row is written by one of
/// them.
final class FrameRows {
    private let request: SamplingRequest
    private let limits: SamplingLimits
    /// Gives the memory, once the size of a row is known.
    private let allocate: (Int) throws(VideoError) -> UnsafeMutableRawBufferPointer
    /// Which rows show a rank. Changed only while no lane runs.
    var places: [Int: [Int]]

    /// First row, written once with the lock held.
    private var base: UnsafeMutablePointer<UInt8>?

    private struct State {
        var width = 0
        var height = 0
        var first: (rank: Int, facts: PictureFacts)?
    }
    private let state = Mutex(State())

    init(
        _ request: SamplingRequest, places: [Int: [Int]], limits: SamplingLimits,
        allocate: @escaping (Int) throws(VideoError) -> UnsafeMutableRawBufferPointer
    ) {
        self.request = request
        self.places = places
        self.limits = limits
        self.allocate = allocate
    }

    var width: Int { state.withLock { $0.width } }
    var height: Int { state.withLock { $0.height } }
    /// Facts of the earliest picture that was written, whichever lane came first.
    var firstPicture: PictureFacts? { state.withLock { $0.first?.facts } }

    /// Memory of the first row that shows a rank, made with the first picture; nil where none does.
    ///
    /// - Throws: `VideoError` for frames of different sizes where no side makes them equal
    func row(
        showing rank: Int, _ facts: PictureFacts
    ) throws(VideoError) -> UnsafeMutablePointer<UInt8>? {
        guard let row = places[rank]?.first else { return nil }
        let bytes = try prepare(facts, rank)
        return base.map { $0 + row * bytes }
    }

    /// Shows the frame of a rank in all its rows.
    func spread(_ rank: Int) {
        guard let rows = places[rank], let first = rows.first else { return }
        for other in rows.dropFirst() { copy(row: first, to: other) }
    }

    /// Shows the frame of one row in another as well.
    func copy(row: Int, to other: Int) {
        guard row != other else { return }
        state.withLock {
            let bytes = $0.width * $0.height * 3
            guard let base else { return }
            (base + other * bytes).update(from: base + row * bytes, count: bytes)
        }
    }

    /// - Returns: bytes of a row
    private func prepare(_ facts: PictureFacts, _ rank: Int) throws(VideoError) -> Int {
        let side = request.side
        let (wide, high) = side > 0 ? (side, side) : (facts.width, facts.height)
        try state.withLock { state throws(VideoError) in
            if state.first.map({ $0.rank > rank }) ?? true { state.first = (rank, facts) }
            if base == nil {
                base = try memory(wide, high)
                (state.width, state.height) = (wide, high)
            }
            guard wide == state.width, high == state.height else {
                throw VideoError(
                    code: .decode, path: request.path,
                    message: "expected frames of \(state.width)x\(state.height) throughout, "
                        + "found one of \(wide)x\(high); a side length makes them equal")
            }
        }
        return wide * high * 3
    }

    private func memory(
        _ wide: Int, _ high: Int
    ) throws(VideoError) -> UnsafeMutablePointer<UInt8> {
        let (bytes, overflow) = (wide * high * 3).multipliedReportingOverflow(by: request.frames)
        guard !overflow, bytes <= limits.outputBytes else {
            throw VideoError(
                code: .tooLarge, path: request.path,
                message: "expected at most \(limits.outputBytes) bytes of frames, found "
                    + "\(request.frames) frames of \(wide)x\(high)")
        }
        let memory = try allocate(bytes)
        guard memory.count >= bytes, let base = memory.baseAddress else {
            throw .outOfMemory(request.path, "\(request.frames) frames")
        }
        return base.assumingMemoryBound(to: UInt8.self)
    }
}
