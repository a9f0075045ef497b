// Rows by index: copied out, and added in. Widths and strides in units of 16 bytes.
//
// `lanes` threads (a divisor of 128) work on one row. Grid (ceil(count lanes / 128)).

constexpr int flight = 4;

/// y[k, h, :] = x[rows[k], h, :], x[r, h, :] at r rowStride + h headStride; y without gaps.
KERNEL(128) gather_rows(
    const uint4 *__restrict__ x, long long rowStride, long long headStride, const long long *__restrict__ rows,
    uint4 *__restrict__ y, int count, int heads, int headWidth, int lanes) {
    int k = static_cast<int>((static_cast<long long>(blockIdx.x) * 128 + threadIdx.x) / lanes);
    if (k >= count) return;
    int lane = threadIdx.x % lanes, width = heads * headWidth;
    const uint4 *from = x + rows[k] * rowStride;
    uint4 *to = y + static_cast<long long>(k) * width;
    for (int first = lane; first < width; first += flight * lanes) {
        uint4 values[flight];
#pragma unroll
        for (int i = 0; i < flight; ++i) {
            int index = first + i * lanes;
            if (index >= width) continue;
            int head = heads == 1 ? 0 : index / headWidth;
            values[i] = __ldg(from + head * headStride + (index - head * headWidth));
        }
#pragma unroll
        for (int i = 0; i < flight; ++i)
            if (first + i * lanes < width) to[first + i * lanes] = values[i];
    }
}

/// x[rows[k], :] += part[k, :], no row twice; the sum is rounded to T.
template <typename T>
__device__ __forceinline__ void add(
    T *__restrict__ x, const long long *__restrict__ rows, const T *__restrict__ part, int count, int width,
    int lanes) {
    int k = static_cast<int>((static_cast<long long>(blockIdx.x) * 128 + threadIdx.x) / lanes);
    if (k >= count) return;
    int lane = threadIdx.x % lanes;
    T *to = x + rows[k] * width * Pack<T>::count;
    const T *from = part + static_cast<long long>(k) * width * Pack<T>::count;
    for (int first = lane; first < width; first += flight * lanes) {
        Pack<T> sums[flight], parts[flight];
#pragma unroll
        for (int i = 0; i < flight; ++i) {
            int index = first + i * lanes;
            if (index >= width) continue;
            sums[i] = load_pack(to + index * Pack<T>::count);
            parts[i] = load_once(from + index * Pack<T>::count);
        }
#pragma unroll
        for (int i = 0; i < flight; ++i) {
            if (first + i * lanes >= width) continue;
            float a[Pack<T>::count], b[Pack<T>::count];
            unpack(sums[i], a);
            unpack(parts[i], b);
#pragma unroll
            for (int j = 0; j < Pack<T>::count; ++j) a[j] += b[j];
            store_pack(to + (first + i * lanes) * Pack<T>::count, pack(a));
        }
    }
}

KERNEL(128) add_rows_bf16(bf16 *x, const long long *rows, const bf16 *part, int count, int width, int lanes) {
    add(x, rows, part, count, width, lanes);
}
KERNEL(128) add_rows_f32(float *x, const long long *rows, const float *part, int count, int width, int lanes) {
    add(x, rows, part, count, width, lanes);
}
