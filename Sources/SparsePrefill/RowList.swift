package import Torch

/// Ascending rows of a layer's sequence, of which the host may know only how many there are.
package enum RowList {
    case known([Int])
    /// int64 [K] in a device's memory.
    case onDevice(Tensor)

    package var count: Int {
        switch self {
        case .known(let rows): rows.count
        case .onDevice(let rows): rows.shape[0]
        }
    }

    /// The rows; waits for the device that has them.
    package func indices() throws -> [Int] {
        switch self {
        case .known(let rows): rows
        case .onDevice(let rows): try rows.values()
        }
    }
}
