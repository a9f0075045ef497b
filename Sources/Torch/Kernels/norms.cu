// RMSNorm and LayerNorm of rows, after a residual is added, to the rows' own type or to e4m3. A block works on one row.
//
// Grid (rows). x [rows, D] is the running sum and delta [rows, D] what is added to it, in place; without a delta
// (null) x is only read. The first `held` packs of each thread stay in registers; what is left of a wider row is read
// again.

constexpr int threads = 128, held = 4;

/// Where the normalised values go. `scale` has one number a row for e4m3.
template <typename T> struct PlainRows {
    T *values;
    static constexpr bool isQuantized = false;
};
template <typename T> struct QuantizedRows {
    e4m3 *values;
    float *scale;
    static constexpr bool isQuantized = true;
};

/// x + delta, rounded.
template <typename T> __device__ __forceinline__ Pack<T> sum(const Pack<T> &x, const Pack<T> &delta) {
    float a[Pack<T>::count], b[Pack<T>::count];
    unpack(x, a);
    unpack(delta, b);
#pragma unroll
    for (int i = 0; i < Pack<T>::count; ++i) a[i] += b[i];
    return pack(a);
}

/// Gain behind the cast to T, as Qwen2 does.
template <typename T> struct RMSNorm {
    const T *weight;
    float inverse;

    __device__ __forceinline__ Pack<T> operator()(const Pack<T> &x, int index) const {
        float y[Pack<T>::count], gain[Pack<T>::count];
        unpack(x, y);
        unpack(load_pack(weight + index * Pack<T>::count), gain);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) y[i] *= inverse;
        round_all(y);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) y[i] *= gain[i];
        return pack(y);
    }
};

template <typename T> struct LayerNorm {
    const T *weight, *bias;
    float mean, inverse;

    __device__ __forceinline__ Pack<T> operator()(const Pack<T> &x, int index) const {
        float y[Pack<T>::count], gain[Pack<T>::count], shift[Pack<T>::count];
        unpack(x, y);
        unpack(load_pack(weight + index * Pack<T>::count), gain);
        unpack(load_pack(bias + index * Pack<T>::count), shift);
#pragma unroll
        for (int i = 0; i < Pack<T>::count; ++i) y[i] = (y[i] - mean) * inverse * gain[i] + shift[i];
        return pack(y);
    }
};

template <typename T> __device__ __forceinline__ float sum_of(const Pack<T> &x) {
    float y[Pack<T>::count], sum = 0;
    unpack(x, y);
#pragma unroll
    for (int i = 0; i < Pack<T>::count; ++i) sum += y[i];
    return sum;
}

/// Sum of squares around `centre`.
template <typename T> __device__ __forceinline__ float spread_of(const Pack<T> &x, float centre) {
    float y[Pack<T>::count], sum = 0;
    unpack(x, y);
#pragma unroll
    for (int i = 0; i < Pack<T>::count; ++i) {
        float distance = y[i] - centre;
        sum += distance * distance;
    }
    return sum;
}

/// `body(pack, its index)` for every pack of this thread: those in registers, then the rest of the row.
template <typename T, typename Body>
__device__ __forceinline__ void each_pack(Pack<T> (&kept)[held], const T *row, int packs, Body body) {
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) body(kept[i], index);
    }
    for (int index = threadIdx.x + held * threads; index < packs; index += threads) {
        Pack<T> x = load_pack(row + index * Pack<T>::count);
        body(x, index);
    }
}

template <typename T, typename Norm>
__device__ __forceinline__ void write_rows(
    Pack<T> (&kept)[held], const T *row, int packs, const Norm &norm, PlainRows<T> out) {
    T *values = out.values + static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
    each_pack(kept, row, packs, [&](Pack<T> &x, int index) {
        store_pack(values + index * Pack<T>::count, norm(x, index));
    });
}

template <typename T, typename Norm>
__device__ __forceinline__ void write_rows(
    Pack<T> (&kept)[held], const T *row, int packs, const Norm &norm, QuantizedRows<T> out) {
    e4m3 *values = out.values + static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
    float most = 0;
    // The normalised packs take the place of those they came from.
    each_pack(kept, row, packs, [&](Pack<T> &x, int index) {
        x = norm(x, index);
        most = fmaxf(most, largest_magnitude(x));
    });
    float scale = e4m3_scale(block_max<threads>(most)), inverse = 1.0f / scale;
    if (threadIdx.x == 0) out.scale[blockIdx.x] = scale;
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) store_e4m3(values + index * Pack<T>::count, kept[i], inverse);
    }
    for (int index = threadIdx.x + held * threads; index < packs; index += threads) {
        store_e4m3(
            values + index * Pack<T>::count, norm(load_pack(row + index * Pack<T>::count), index), inverse);
    }
}

/// This thread's packs of the row; the delta, where there is one, is added to the whole row.
template <typename T>
__device__ __forceinline__ void load_row(Pack<T> (&kept)[held], T *row, const T *delta, int packs) {
    constexpr int count = Pack<T>::count;
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) kept[i] = load_pack(row + index * count);
    }
    if (!delta) return;
    Pack<T> added[held];
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) added[i] = load_once(delta + index * count);
    }
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index >= packs) continue;
        kept[i] = sum(kept[i], added[i]);
        store_pack(row + index * count, kept[i]);
    }
    for (int index = threadIdx.x + held * threads; index < packs; index += threads)
        store_pack(row + index * count, sum(load_pack(row + index * count), load_once(delta + index * count)));
}

template <typename T, typename Out>
__device__ __forceinline__ void rms_norm(
    T *x, const T *delta, const T *weight, float epsilon, int packs, Out out) {
    long long start = static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
    T *row = x + start;
    Pack<T> kept[held];
    load_row(kept, row, delta ? delta + start : nullptr, packs);
    float squares = 0;
    each_pack(kept, row, packs, [&](Pack<T> &x, int) { squares += spread_of(x, 0); });
    float meanSquare = block_sum<threads>(squares) / static_cast<float>(packs * Pack<T>::count);
    write_rows(kept, row, packs, RMSNorm<T>{weight, rsqrtf(meanSquare + epsilon)}, out);
}

/// The rest of a LayerNorm whose row has been loaded.
template <typename T, typename Out>
__device__ __forceinline__ void layer_norm_loaded(
    Pack<T> (&kept)[held], const T *row, const T *weight, const T *bias, float epsilon, int packs, Out out) {
    float width = static_cast<float>(packs * Pack<T>::count), total = 0, spread = 0;
    each_pack(kept, row, packs, [&](Pack<T> &x, int) { total += sum_of(x); });
    float mean = block_sum<threads>(total) / width;
    each_pack(kept, row, packs, [&](Pack<T> &x, int) { spread += spread_of(x, mean); });
    float variance = block_sum<threads>(spread) / width;
    write_rows(kept, row, packs, LayerNorm<T>{weight, bias, mean, rsqrtf(variance + epsilon)}, out);
}

template <typename T, typename Out>
__device__ __forceinline__ void layer_norm(
    T *x, const T *delta, const T *weight, const T *bias, float epsilon, int packs, Out out) {
    long long start = static_cast<long long>(blockIdx.x) * packs * Pack<T>::count;
    T *row = x + start;
    Pack<T> kept[held];
    load_row(kept, row, delta ? delta + start : nullptr, packs);
    layer_norm_loaded(kept, row, weight, bias, epsilon, packs, out);
}

/// LayerNorm of [first, others] + positions: first [D] stands in front of the tokens - 1 rows of every sequence in
/// others [N, tokens - 1, D]; positions [tokens, D]. Rows of at most held x threads packs. Grid (N tokens).
template <typename T>
__device__ __forceinline__ void layer_norm_tokens(
    const T *first, const T *others, const T *positions, const T *weight, const T *bias, float epsilon, int tokens,
    int packs, T *y) {
    constexpr int count = Pack<T>::count;
    int sequence = blockIdx.x / tokens, token = blockIdx.x - sequence * tokens;
    long long other = static_cast<long long>(sequence) * (tokens - 1) + token - 1;
    const T *row = token == 0 ? first : others + other * packs * count;
    const T *position = positions + static_cast<long long>(token) * packs * count;
    Pack<T> kept[held];
#pragma unroll
    for (int i = 0; i < held; ++i) {
        int index = threadIdx.x + i * threads;
        if (index < packs) kept[i] = sum(load_once(row + index * count), load_pack(position + index * count));
    }
    layer_norm_loaded(kept, row, weight, bias, epsilon, packs, PlainRows<T>{y});
}

#define NORMS(suffix, type)                                                                                            \
    KERNEL(threads) rms_norm_##suffix(                                                                                 \
        type *x, const type *delta, const type *weight, float epsilon, int packs, type *y) {                           \
        rms_norm(x, delta, weight, epsilon, packs, PlainRows<type>{y});                                                \
    }                                                                                                                  \
    KERNEL(threads) rms_norm_e4m3_##suffix(                                                                            \
        type *x, const type *delta, const type *weight, float epsilon, int packs, e4m3 *y, float *scale) {             \
        rms_norm(x, delta, weight, epsilon, packs, QuantizedRows<type>{y, scale});                                     \
    }                                                                                                                  \
    KERNEL(threads) layer_norm_##suffix(                                                                               \
        type *x, const type *delta, const type *weight, const type *bias, float epsilon, int packs, type *y) {         \
        layer_norm(x, delta, weight, bias, epsilon, packs, PlainRows<type>{y});                                        \
    }                                                                                                                  \
    KERNEL(threads) layer_norm_e4m3_##suffix(                                                                          \
        type *x, const type *delta, const type *weight, const type *bias, float epsilon, int packs, e4m3 *y,           \
        float *scale) {                                                                                                \
        layer_norm(x, delta, weight, bias, epsilon, packs, QuantizedRows<type>{y, scale});                             \
    }                                                                                                                  \
    KERNEL(threads) layer_norm_tokens_##suffix(                                                                        \
        const type *first, const type *others, const type *positions, const type *weight, const type *bias,            \
        float epsilon, int tokens, int packs, type *y) {                                                               \
        layer_norm_tokens(first, others, positions, weight, bias, epsilon, tokens, packs, y);                          \
    }

NORMS(bf16, bf16)
NORMS(f32, float)
