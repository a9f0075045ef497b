import Foundation

@testable import VideoFrames

/// A point that a number of threads must reach before any goes on, for at most ten seconds.
final class Meeting: @unchecked Sendable {
    private let condition = NSCondition()
    private let count: Int
    private var arrived = 0

    init(of count: Int) { self.count = count }

    var isComplete: Bool {
        condition.lock()
        defer { condition.unlock() }
        return arrived >= count
    }

    func arrive() {
        condition.lock()
        defer { condition.unlock() }
        arrived += 1
        condition.broadcast()
        let limit = Date(timeIntervalSinceNow: 10)
        while arrived < count, condition.wait(until: limit) {}
    }
}

/// A lane's end that waits for the other lanes.
final class MeetingSink: FrameSink {
    private let meeting: Meeting
    private var hasArrived = false

    init(_ meeting: Meeting) { self.meeting = meeting }

    func take(_ picture: borrowing Picture, rank: Int) throws(VideoError) {
        if !hasArrived { meeting.arrive() }
        hasArrived = true
    }
}
