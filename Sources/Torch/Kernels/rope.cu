// Rotary position embedding, rotate-half form, in place.
//
// x[r, h, :] lies at r rowStride + h headStride (elements); tables [rows, d] in T. A thread has one pack of the lower
// half and its partner in the upper half of `headsPerThread` heads of one row: the tables are read once for all of
// them. Grid (ceil(rows halfPacks / 128), ceil(heads / headsPerThread)), halfPacks = d / 2 / (elements of a pack).

constexpr int headsPerThread = 4;

/// x cosine + sign other sine, rounded after each of the three operations, so never contracted to a fused one.
template <int sign, typename T>
__device__ __forceinline__ Pack<T> turned(
    const Pack<T> &x, const Pack<T> &other, const Pack<T> &cosine, const Pack<T> &sine) {
    constexpr int count = Pack<T>::count;
    float a[count], b[count], c[count], s[count];
    unpack(x, a);
    unpack(other, b);
    unpack(cosine, c);
    unpack(sine, s);
#pragma unroll
    for (int k = 0; k < count; ++k) {
        a[k] = __fmul_rn(a[k], c[k]);
        b[k] = __fmul_rn(sign * b[k], s[k]);
    }
    round_all(a);
    round_all(b);
#pragma unroll
    for (int k = 0; k < count; ++k) a[k] = __fadd_rn(a[k], b[k]);
    return pack(a);
}

template <typename T>
__device__ __forceinline__ void rotate(
    T *__restrict__ x, long long rowStride, long long headStride, const T *__restrict__ cosine,
    const T *__restrict__ sine, int rows, int heads, int halfPacks) {
    constexpr int count = Pack<T>::count;
    long long item = static_cast<long long>(blockIdx.x) * 128 + threadIdx.x;
    int row = static_cast<int>(item / halfPacks), pack = static_cast<int>(item % halfPacks);
    if (row >= rows) return;
    int half = halfPacks * count;
    long long table = static_cast<long long>(row) * 2 * half + pack * count;
    T *place = x + row * rowStride + pack * count;
    int first = blockIdx.y * headsPerThread;
    Pack<T> low[headsPerThread], high[headsPerThread];
#pragma unroll
    for (int i = 0; i < headsPerThread; ++i) {
        if (first + i >= heads) continue;
        low[i] = load_pack(place + (first + i) * headStride);
        high[i] = load_pack(place + (first + i) * headStride + half);
    }
    Pack<T> cosines[2] = {load_pack(cosine + table), load_pack(cosine + table + half)};
    Pack<T> sines[2] = {load_pack(sine + table), load_pack(sine + table + half)};
#pragma unroll
    for (int i = 0; i < headsPerThread; ++i) {
        if (first + i >= heads) continue;
        store_pack(place + (first + i) * headStride, turned<-1>(low[i], high[i], cosines[0], sines[0]));
        store_pack(place + (first + i) * headStride + half, turned<1>(high[i], low[i], cosines[1], sines[1]));
    }
}

KERNEL(128) rope_bf16(
    bf16 *x, long long rowStride, long long headStride, const bf16 *cosine, const bf16 *sine, int rows, int heads,
    int halfPacks) {
    rotate(x, rowStride, headStride, cosine, sine, rows, heads, halfPacks);
}
KERNEL(128) rope_f32(
    float *x, long long rowStride, long long headStride, const float *cosine, const float *sine, int rows, int heads,
    int halfPacks) {
    rotate(x, rowStride, headStride, cosine, sine, rows, heads, halfPacks);
}
