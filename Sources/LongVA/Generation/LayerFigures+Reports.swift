package import SparsePrefill

extension LayerFigures {
    package init(_ reports: [LayerReport], promptTokens n: Int) {
        keptRatio = reports.map {
            $0.paperShare == nil ? Double($0.attended) / Double(max(n, 1)) : nil
        }
        massKept = reports.map(\.massKept)
        probesUsed = reports.map(\.probes.count)
        keptHash = reports.map { $0.kept.map(Self.hash) }
    }

    private static func hash(_ positions: [Int]) -> String {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for position in positions {
            withUnsafeBytes(of: UInt64(position).littleEndian) { bytes in
                for byte in bytes { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
            }
        }
        let digits = String(state, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
