import Torch

/// What the layers of one prefill share on a GPU: their probe rows in one upload, and the memory in which
/// tokens are chosen.
package final class PrefillWorkspace {
    private struct Uploaded {
        let probes: ProbeRows
        let layout: PromptLayout
        let rows: [[Int]]
        /// int64 [layers m]
        let tensor: Tensor
    }

    private var uploaded: Uploaded?
    private var selector: RowSelector?
    private var zeros: Tensor?

    /// Blocks of 128 padded query rows that `finished` serves.
    private static let blocks = 1024

    package init() {}

    /// The probe rows of a layer, on the host and as int64 [m].
    func probeRows(
        _ probes: ProbeRows, in context: LayerContext, on device: Device
    ) throws -> (rows: [Int], tensor: Tensor) {
        let known: Uploaded
        if let uploaded, uploaded.probes == probes, uploaded.layout == context.layout {
            known = uploaded
        } else {
            let rows = (0..<context.layerCount).map { probes.rows(of: context.layout, layer: $0) }
            known = Uploaded(
                probes: probes, layout: context.layout, rows: rows,
                tensor: try Tensor(rows.flatMap { $0 }, on: device))
            uploaded = known
        }
        let rows = known.rows[context.layer]
        // All layers have as many.
        let tensor = try known.tensor.narrowed(
            0, from: context.layer * rows.count, count: rows.count)
        return (rows, tensor)
    }

    func selector(on device: CUDADevice, layers: Int) throws -> RowSelector {
        if let selector { return selector }
        let fresh = try RowSelector(on: device, layers: layers)
        selector = fresh
        return fresh
    }

    /// Zeros that `ProbeAttention.columnSums` leaves as they are.
    func finished(on device: Device) throws -> Tensor {
        if let zeros { return zeros }
        let fresh = try Tensor.zeros([Self.blocks], .int32, on: device)
        zeros = fresh
        return fresh
    }
}
