// What follows a vision tower's last layer: the residual sum of the patches alone, and averages over cells of their grid.
// Widths in packs. Grid (.., frames): each block has some packs of one frame.

constexpr int threads = 256, flight = 4;

/// y [N, T - 1, D] = x + delta [N, T, D] without the first token of each frame. `kept` is (T - 1) D in packs, `all` T D.
template <typename T>
__device__ __forceinline__ void add_but_first(const T *x, const T *delta, T *y, int all, int kept) {
    constexpr int count = Pack<T>::count;
    long long from = (static_cast<long long>(blockIdx.y) * all + all - kept) * count;
    x += from;
    delta += from;
    y += static_cast<long long>(blockIdx.y) * kept * count;
    int first = blockIdx.x * threads * flight + threadIdx.x;
    Pack<T> sums[flight], deltas[flight];
#pragma unroll
    for (int i = 0; i < flight; ++i) {
        int index = first + i * threads;
        if (index >= kept) continue;
        sums[i] = load_once(x + static_cast<long long>(index) * count);
        deltas[i] = load_once(delta + static_cast<long long>(index) * count);
    }
#pragma unroll
    for (int i = 0; i < flight; ++i) {
        int index = first + i * threads;
        if (index >= kept) continue;
        float a[count], b[count];
        unpack(sums[i], a);
        unpack(deltas[i], b);
#pragma unroll
        for (int j = 0; j < count; ++j) a[j] += b[j];
        store_pack(y + static_cast<long long>(index) * count, pack(a));
    }
}

/// Sum of the cell of `side` x `side` rows from `x` on, `step` elements from one grid row to the next. A side known to
/// the compiler lets all loads start at once.
template <int known, typename T>
__device__ __forceinline__ void sum_cell(
    const T *x, int side, long long step, int width, float (&sums)[Pack<T>::count]) {
    constexpr int count = Pack<T>::count;
    int size = known > 0 ? known : side;
#pragma unroll
    for (int row = 0; row < size; ++row)
#pragma unroll
        for (int column = 0; column < size; ++column) {
            float values[count];
            unpack(load_once(x + row * step + static_cast<long long>(column) * width), values);
#pragma unroll
            for (int i = 0; i < count; ++i) sums[i] += values[i];
        }
}

/// y [N, (g / s)^2, D]: means over s x s cells of x [N, g^2, D], in float32 until the end. Rows and columns that fill no
/// cell are left out.
template <typename T>
__device__ __forceinline__ void pool(const T *x, T *y, int grid, int side, int packs) {
    constexpr int count = Pack<T>::count;
    int cells = grid / side, all = cells * cells * packs, index = blockIdx.x * threads + threadIdx.x;
    if (index >= all) return;
    int cell = index / packs, width = packs * count;
    int top = cell / cells * side, left = cell % cells * side;
    long long first = (static_cast<long long>(blockIdx.y) * grid + top) * grid + left;
    const T *from = x + first * width + (index - cell * packs) * count;
    long long step = static_cast<long long>(grid) * width;
    float sums[count];
#pragma unroll
    for (int i = 0; i < count; ++i) sums[i] = 0;
    if (side == 2)
        sum_cell<2>(from, side, step, width, sums);
    else
        sum_cell<0>(from, side, step, width, sums);
    float size = static_cast<float>(side * side);
#pragma unroll
    for (int i = 0; i < count; ++i) sums[i] = sums[i] / size;
    store_pack(y + (static_cast<long long>(blockIdx.y) * all + index) * count, pack(sums));
}

#define PATCH_OUTPUTS(suffix, type)                                                                                    \
    KERNEL(threads) add_but_first_##suffix(const type *x, const type *delta, type *y, int all, int kept) {             \
        add_but_first(x, delta, y, all, kept);                                                                         \
    }                                                                                                                  \
    KERNEL(threads) pool_##suffix(const type *x, type *y, int grid, int side, int packs) {                             \
        pool(x, y, grid, side, packs);                                                                                 \
    }

PATCH_OUTPUTS(bf16, bf16)
PATCH_OUTPUTS(f32, float)
