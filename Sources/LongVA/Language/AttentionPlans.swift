import SparsePrefill
import Torch

/// Lengths for which the device's attention has a plan.
///
/// cuDNN builds one for every length that it has not seen, 40 ms each: with the number of kept tokens
/// rounded up to multiples there are few, and all of them are built before the first prompt is timed.
final class AttentionPlans {
    private var prepared: Set<Int> = []
    /// A longer prompt's are built as they come: all of them would take longer than its prefill.
    private static let most = 128

    /// Attends once to every multiple of `bucket` up to n where that has not been done.
    ///
    /// Nothing happens where no kernels serve, as on the CPU: there lengths cost nothing.
    func prepare(
        upTo n: Int, bucket: Int, geometry: AttentionGeometry, like weight: Tensor
    ) throws {
        guard bucket > 1, n / bucket <= Self.most, try Kernels.device(weight) != nil else { return }
        for length in stride(from: bucket, through: n, by: bucket)
        where prepared.insert(length).inserted {
            try attend(length, geometry, like: weight)
        }
    }

    /// With the strides that a layer's projections have: they are part of a plan.
    private func attend(_ length: Int, _ geometry: AttentionGeometry, like weight: Tensor) throws {
        let (heads, keyHeads, width) = (
            geometry.heads, geometry.keyValueHeads, geometry.headWidth
        )
        let (dtype, device) = (try weight.dtype(), try weight.device())
        let both = try Tensor.zeros([1, length, (heads + keyHeads) * width], dtype, on: device)
        let queries = try both.narrowed(2, from: 0, count: heads * width)
            .reshaped([1, length, heads, width]).transposed(1, 2)
        let values = try both.narrowed(2, from: heads * width, count: keyHeads * width)
            .reshaped([1, length, keyHeads, width]).transposed(1, 2)
        let keys = try Tensor.zeros([1, length, keyHeads, width], dtype, on: device)
            .transposed(1, 2)
        _ = try queries.attention(keys: keys, values: values, isCausal: true)
    }
}
