/// Which share of the tokens each layer shall keep.
enum RatioSchedule: String, CaseIterable {
    case uniform
    /// A quarter of the layers each at 1.5, 1, 0.8 and 0.5 times a share whose root mean square is the ratio.
    case fourLevel = "four-level"

    func shares(_ ratio: Double, layers: Int) -> [Double] {
        switch self {
        case .uniform: return [Double](repeating: ratio, count: layers)
        case .fourLevel:
            let levels = [1.5, 1, 0.8, 0.5]
            let shares = (0..<layers).map { levels[$0 * levels.count / layers] }
            let square = shares.reduce(0) { $0 + $1 * $1 } / Double(max(layers, 1))
            return shares.map { $0 * ratio / square.squareRoot() }
        }
    }
}
