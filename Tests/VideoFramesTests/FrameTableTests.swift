import Testing

@testable import VideoFrames

@Suite struct FrameTableTests {
    /// I P B B P B B ..., 3000 ticks a frame, each picture decoded one frame before the first that it is
    /// presented after.
    static func table(_ count: Int, withoutTime: Set<Int>) -> FrameTable {
        var entries: [PacketEntry] = []
        for index in 0..<count {
            let place = index == 0 ? 0 : index % 3 == 1 ? index + 2 : index - 1
            let pts = withoutTime.contains(index) ? AV.noPTS : Int64(place + 1) * 3000
            entries.append(
                PacketEntry(
                    pts: pts, statedPTS: pts, dts: Int64(index) * 3000,
                    position: Int64(index) * 500,
                    size: 400, isKey: index == 0 || index % 6 == 1, isShown: true))
        }
        var table = FrameTable(entries: entries, timeBase: 1.0 / 90_000)
        table.lastDuration = 3000
        return table
    }

    @Test(arguments: [[91], [93], [88, 91], [91, 103], [148], [149, 150], [150]])
    func `A picture without a time is shown where one is missing`(_ lost: Set<Int>) {
        var complete = Self.table(151, withoutTime: [])
        var partial = Self.table(151, withoutTime: lost)
        let areOrdered = [
            complete.orderByTime(isIntraOnly: false), partial.orderByTime(isIntraOnly: false),
        ]
        #expect(areOrdered == [true, true])
        #expect(partial.byRank == complete.byRank)
        #expect(partial.entries.map(\.pts) == complete.entries.map(\.pts))
    }

    @Test func `Too many pictures without a time leave the order unknown`() {
        var partial = Self.table(151, withoutTime: [10, 20, 30, 40])
        let isOrdered = partial.orderByTime(isIntraOnly: false)
        #expect(!isOrdered)
    }
}
