// Activations of rows, and rows to e4m3 with one scale each. A block works on one row.

/// Where a row's results come from: `values` gives the pack at `index` as it is rounded to T.
template <typename T> struct Copied {
    static constexpr int flight = 4;  // packs whose loads are under way together
    const T *row;
    __device__ __forceinline__ Copied(const T *x, int) : row(x) {}

    struct Source {
        Pack<T> x;
    };
    __device__ __forceinline__ Source load(int index) const { return {load_once(row + index * Pack<T>::count)}; }
    __device__ __forceinline__ static Pack<T> values(const Source &source) { return source.x; }
};

/// numerator / (1 + e^-x). In bf16 the fast forms err by less than a thousandth of the last place.
template <typename T> __device__ __forceinline__ float over_one_plus_exp(float numerator, float x);
template <> __device__ __forceinline__ float over_one_plus_exp<float>(float numerator, float x) {
    return numerator / (1.0f + expf(-x));
}
template <> __device__ __forceinline__ float over_one_plus_exp<bf16>(float numerator, float x) {
    return numerator * reciprocal_approximate(1.0f + exp2_approximate(x * -1.44269504f));
}

/// silu(gate) up, with the gates in the row's first half.
template <typename T> struct SwiGLU {
    static constexpr int flight = 2;
    const T *gate, *up;
    __device__ __forceinline__ SwiGLU(const T *x, int packs) : gate(x), up(x + packs * Pack<T>::count) {}

    struct Source {
        Pack<T> gate, up;
    };
    __device__ __forceinline__ Source load(int index) const {
        return {load_once(gate + index * Pack<T>::count), load_once(up + index * Pack<T>::count)};
    }
    __device__ __forceinline__ static Pack<T> values(const Source &source) {
        float x[Pack<T>::count], up[Pack<T>::count];
        unpack(source.gate, x);
        unpack(source.up, up);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) x[i] = over_one_plus_exp<T>(x[i], x[i]);
        round_all(x);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) x[i] *= up[i];
        return pack(x);
    }
};

/// x sigmoid(1.702 x)
template <typename T> struct QuickGELU : Copied<T> {
    using Copied<T>::Copied;
    __device__ __forceinline__ static Pack<T> values(const typename Copied<T>::Source &source) {
        float x[Pack<T>::count], y[Pack<T>::count];
        unpack(source.x, x);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) y[i] = x[i] * 1.702f;
        round_all(y);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) y[i] = over_one_plus_exp<T>(1.0f, y[i]);
        round_all(y);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) y[i] *= x[i];
        return pack(y);
    }
};

/// x Phi(x)
template <typename T> struct GELU : Copied<T> {
    using Copied<T>::Copied;
    __device__ __forceinline__ static Pack<T> values(const typename Copied<T>::Source &source) {
        float x[Pack<T>::count];
        unpack(source.x, x);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) x[i] = x[i] * 0.5f * (1.0f + erff(x[i] * 0.70710678f));
        return pack(x);
    }
};

/// Grid (rows, pieces): the blocks of one row take turns in it. `stride` is the elements between rows of x.
template <typename T, typename Op>
__device__ __forceinline__ void map_rows(
    const T *__restrict__ x, long long stride, T *__restrict__ y, int packs) {
    constexpr int threads = 256, flight = Op::flight;
    const Op op(x + blockIdx.x * stride, packs);
    T *out = y + static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
    int step = gridDim.y * threads;
    for (int first = blockIdx.y * threads + threadIdx.x; first < packs; first += flight * step) {
        typename Op::Source sources[flight];
#pragma unroll
        for (int i = 0; i < flight; ++i)
            if (first + i * step < packs) sources[i] = op.load(first + i * step);
#pragma unroll
        for (int i = 0; i < flight; ++i)
            if (first + i * step < packs)
                store_pack(out + (first + i * step) * Pack<T>::count, Op::values(sources[i]));
    }
}

/// The row's factor to e4m3, its scale written, from the largest magnitude that each thread saw.
template <int threads> __device__ __forceinline__ float row_factor(float most, float *scales) {
    float scale = e4m3_scale(block_max<threads>(most));
    if (threadIdx.x == 0) scales[blockIdx.x] = scale;
    return 1.0f / scale;
}

/// Grid (rows), rows of at most 512 packs: they stay in registers until their largest magnitude is known.
template <typename T, typename Op>
__device__ __forceinline__ void quantize_narrow(
    const T *__restrict__ x, long long stride, e4m3 *__restrict__ y, float *__restrict__ scales, int packs) {
    constexpr int threads = 128, held = 4;
    const Op op(x + blockIdx.x * stride, packs);
    typename Op::Source sources[held];
    Pack<T> kept[held];
    float most = 0;
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) sources[i] = op.load(index);
    }
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index >= packs) continue;
        kept[i] = Op::values(sources[i]);
        most = fmaxf(most, largest_magnitude(kept[i]));
    }
    float factor = row_factor<threads>(most, scales);
    e4m3 *out = y + static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) store_e4m3(out + index * Pack<T>::count, kept[i], factor);
    }
}

/// Grid (rows), any width: a row stays in shared memory, 16 bytes a pack. In registers it would leave room for two
/// rows on a multiprocessor, too few to load while another one waits.
template <typename T, typename Op>
__device__ __forceinline__ void quantize_wide(
    const T *__restrict__ x, long long stride, e4m3 *__restrict__ y, float *__restrict__ scales, int packs) {
    constexpr int threads = 256, flight = Op::flight;
    DYNAMIC_SHARED(uint4, kept);
    const Op op(x + blockIdx.x * stride, packs);
    float most = 0;
    for (int first = threadIdx.x; first < packs; first += flight * threads) {
        typename Op::Source sources[flight];
#pragma unroll
        for (int i = 0; i < flight; ++i)
            if (first + i * threads < packs) sources[i] = op.load(first + i * threads);
#pragma unroll
        for (int i = 0; i < flight; ++i) {
            if (first + i * threads >= packs) continue;
            Pack<T> values = Op::values(sources[i]);
            most = fmaxf(most, largest_magnitude(values));
            kept[first + i * threads] =
                make_uint4(values.words[0], values.words[1], values.words[2], values.words[3]);
        }
    }
    float factor = row_factor<threads>(most, scales);
    e4m3 *out = y + static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
    // Every thread reads only what it wrote itself.
#pragma unroll 4
    for (int index = threadIdx.x; index < packs; index += threads)
        store_e4m3(out + index * Pack<T>::count, pack_of<T>(kept[index]), factor);
}

#define MAP(name, type, op)                                                                                            \
    KERNEL(256) name(const type *x, long long stride, type *y, int packs) {                                            \
        map_rows<type, op<type>>(x, stride, y, packs);                                                                 \
    }
#define QUANTIZE(name, type, op)                                                                                       \
    KERNEL(128) name##_narrow(const type *x, long long stride, e4m3 *y, float *scales, int packs) {                    \
        quantize_narrow<type, op<type>>(x, stride, y, scales, packs);                                                  \
    }                                                                                                                  \
    KERNEL(256, 5) name##_wide(const type *x, long long stride, e4m3 *y, float *scales, int packs) {                   \
        quantize_wide<type, op<type>>(x, stride, y, scales, packs);                                                    \
    }

MAP(swiglu_bf16, bf16, SwiGLU)
MAP(swiglu_f32, float, SwiGLU)
MAP(quick_gelu_bf16, bf16, QuickGELU)
MAP(quick_gelu_f32, float, QuickGELU)
MAP(gelu_bf16, bf16, GELU)
MAP(gelu_f32, float, GELU)
QUANTIZE(swiglu_e4m3_bf16, bf16, SwiGLU)
QUANTIZE(swiglu_e4m3_f32, float, SwiGLU)
QUANTIZE(quick_gelu_e4m3_bf16, bf16, QuickGELU)
QUANTIZE(quick_gelu_e4m3_f32, float, QuickGELU)
QUANTIZE(gelu_e4m3_bf16, bf16, GELU)
QUANTIZE(gelu_e4m3_f32, float, GELU)
QUANTIZE(copy_e4m3_bf16, bf16, Copied)
QUANTIZE(copy_e4m3_f32, float, Copied)
