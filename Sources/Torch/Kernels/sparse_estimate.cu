// Where the last 64 queries of each head look: sums of their attention over columns and over diagonals, for MInference.
//
// Two passes over the keys, so that no attention is stored: the first leaves each row's largest logit and its sum, a
// part of the columns at a time; the second computes the weights again and adds them up, in an order that never changes.

constexpr int estimate_rows = 64, estimate_keys = 64;
constexpr int weight_stride = estimate_keys + 1;

template <int width> __device__ __forceinline__ int place(int row, int piece) {
    return row * width + (piece ^ row % 8) * 8;
}

/// The queries of one head, and tiles of keys that follow each other, in two stages of shared memory.
template <int width> struct EstimateTiles {
    static constexpr int threads = 128, pieces = width / 8, steps = width / 16;
    bf16 *shared;
    const bf16 *keys;
    long long key_row;
    int n, first, last;  // columns [first, last) of this block
    unsigned held[steps][4];

    __device__ __forceinline__ void load_queries(const bf16 *queries, long long query_row) {
        for (int piece = threadIdx.x; piece < estimate_rows * pieces; piece += threads) {
            const int row = piece / pieces, at = piece % pieces;
            copy_async_16(shared + place<width>(row, at), queries + (n - estimate_rows + row) * query_row + at * 8, true);
        }
        copy_async_commit();
        copy_async_wait<0>();
        __syncthreads();
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
        for (int step = 0; step < steps; ++step)
            load_matrix_x4(held[step], shared + place<width>(warp * 16 + lane % 16, 2 * step + lane / 16));
        __syncthreads();
    }

    __device__ __forceinline__ int count() const { return (last - first + estimate_keys - 1) / estimate_keys; }

    __device__ __forceinline__ void fetch(int tile) const {
        if (tile < count()) {
#pragma unroll 1
            for (int piece = threadIdx.x; piece < estimate_keys * pieces; piece += threads) {
                const int row = piece / pieces, at = piece % pieces, column = first + tile * estimate_keys + row;
                copy_async_16(shared + tile % 2 * estimate_keys * width + place<width>(row, at),
                              keys + (column < last ? column : 0) * key_row + at * 8, column < last);
            }
        }
        copy_async_commit();
    }

    /// Logits of a tile in units of log2; those that are not seen are far below all others.
    __device__ __forceinline__ void logits(int tile, float (&result)[estimate_keys / 8][4], float scale) const {
        const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const int key_place = tile % 2 * estimate_keys * width + place<width>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
        for (int part = 0; part < estimate_keys / 8; ++part) {
#pragma unroll
            for (int i = 0; i < 4; ++i) result[part][i] = 0;
        }
#pragma unroll
        for (int step = 0; step < steps; ++step) {
#pragma unroll
            for (int pair = 0; pair < estimate_keys / 16; ++pair) {
                unsigned key[4];
                load_matrix_x4(key, shared + (key_place ^ step * 16) + pair * 16 * width);
                const unsigned low[2] = {key[0], key[1]}, high[2] = {key[2], key[3]};
                mma_bf16_16x8x16(result[2 * pair], held[step], low);
                mma_bf16_16x8x16(result[2 * pair + 1], held[step], high);
            }
        }
        const int row = n - estimate_rows + warp * 16 + lane / 4, column = first + tile * estimate_keys + lane % 4 * 2;
#pragma unroll
        for (int part = 0; part < estimate_keys / 8; ++part) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const bool is_seen = column + part * 8 + i % 2 <= row + i / 2 * 8 && column + part * 8 + i % 2 < last;
                result[part][i] = is_seen ? result[part][i] * scale : -1e38f;
            }
        }
    }
};

/// Grid (splits, heads). rows [heads, splits, 64, 2]: largest logit and sum of weights relative to it.
template <int width>
__device__ __forceinline__ void estimate_maxima(const bf16 *queries, const bf16 *keys, float *rows, int group, int n,
                                                int split, long long query_head, long long query_row,
                                                long long key_head, long long key_row, float scale) {
    DYNAMIC_SHARED(bf16, shared);
    const int head = blockIdx.y, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int first = blockIdx.x * split;
    EstimateTiles<width> tiles{shared, keys + head / group * key_head, key_row, n, first, min(first + split, n)};
    tiles.load_queries(queries + head * query_head, query_row);
    float most[2] = {-1e30f, -1e30f}, sum[2] = {0, 0};
    tiles.fetch(0);
    for (int tile = 0; tile < tiles.count(); ++tile) {
        tiles.fetch(tile + 1);
        copy_async_wait<1>();
        __syncthreads();
        float logits[estimate_keys / 8][4];
        tiles.logits(tile, logits, scale);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float highest = most[half];
#pragma unroll
            for (int part = 0; part < estimate_keys / 8; ++part)
                highest = fmaxf(highest, fmaxf(logits[part][2 * half], logits[part][2 * half + 1]));
            float added = 0;
#pragma unroll
            for (int part = 0; part < estimate_keys / 8; ++part)
                added += exp2_approximate(logits[part][2 * half] - highest) +
                         exp2_approximate(logits[part][2 * half + 1] - highest);
            sum[half] = sum[half] * exp2_approximate(most[half] - highest) + added;
            most[half] = highest;
        }
        __syncthreads();
    }
    copy_async_wait<0>();
    rows += (static_cast<long long>(head) * gridDim.x + blockIdx.x) * estimate_rows * 2;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int offset = 1; offset <= 2; offset *= 2) {
            const float other_most = __shfl_xor_sync(0xFFFFFFFFu, most[half], offset);
            const float other_sum = __shfl_xor_sync(0xFFFFFFFFu, sum[half], offset);
            const float highest = fmaxf(most[half], other_most);
            sum[half] = sum[half] * exp2_approximate(most[half] - highest) +
                        other_sum * exp2_approximate(other_most - highest);
            most[half] = highest;
        }
        if (lane % 4 == 0) {
            const int row = warp * 16 + half * 8 + lane / 4;
            rows[2 * row] = most[half];
            rows[2 * row + 1] = sum[half];
        }
    }
}

/// The same grid. column_sums [heads, n]; diagonal_parts [heads, splits, split + 63]: sums over the diagonals that cross
/// the split, the one through its last column and the first row first.
template <int width>
__device__ __forceinline__ void estimate_sums(const bf16 *queries, const bf16 *keys, const float *rows,
                                              float *column_sums, float *diagonal_parts, int group, int n, int split,
                                              long long query_head, long long query_row, long long key_head,
                                              long long key_row, float scale) {
    // Two stages of keys, then a tile of weights, then the split's diagonals.
    DYNAMIC_SHARED(bf16, shared);
    float *weights = reinterpret_cast<float *>(shared + 2 * estimate_keys * width);
    float *diagonals = weights + estimate_rows * weight_stride;
    __shared__ float offsets[estimate_rows], parts[4][estimate_keys];
    const int head = blockIdx.y, thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    const int first = blockIdx.x * split, splits = gridDim.x;
    EstimateTiles<width> tiles{shared, keys + head / group * key_head, key_row, n, first, min(first + split, n)};
    tiles.load_queries(queries + head * query_head, query_row);

    if (thread < estimate_rows) {
        const float *row = rows + (static_cast<long long>(head) * splits * estimate_rows + thread) * 2;
        float highest = -1e30f, sum = 0;
        for (int other = 0; other < splits; ++other) highest = fmaxf(highest, row[other * estimate_rows * 2LL]);
        for (int other = 0; other < splits; ++other)
            sum += row[other * estimate_rows * 2LL + 1] * exp2_approximate(row[other * estimate_rows * 2LL] - highest);
        // A weight is 2^(logit - offset).
        offsets[thread] = highest + log2f(sum);
    }
    const int diagonal_count = split + estimate_rows - 1;
    for (int index = thread; index < diagonal_count; index += 128) diagonals[index] = 0;
    __syncthreads();
    const int row = warp * 16 + lane / 4, column = lane % 4 * 2;
    const float offset[2] = {offsets[row], offsets[row + 8]};

    tiles.fetch(0);
    for (int tile = 0; tile < tiles.count(); ++tile) {
        tiles.fetch(tile + 1);
        copy_async_wait<1>();
        __syncthreads();
        float logits[estimate_keys / 8][4];
        tiles.logits(tile, logits, scale);
#pragma unroll
        for (int part = 0; part < estimate_keys / 8; ++part) {
#pragma unroll
            for (int side = 0; side < 2; ++side) {
                const float upper = exp2_approximate(logits[part][side] - offset[0]);
                const float lower = exp2_approximate(logits[part][side + 2] - offset[1]);
                const int at = part * 8 + column + side;
                weights[row * weight_stride + at] = upper;
                weights[(row + 8) * weight_stride + at] = lower;
                float sum = upper + lower;
                sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 4);
                sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 8);
                sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 16);
                if (lane < 4) parts[warp][at] = sum;
            }
        }
        __syncthreads();
        const int tile_first = tile * estimate_keys;
        if (thread < estimate_keys && first + tile_first + thread < tiles.last)
            column_sums[static_cast<long long>(head) * n + first + tile_first + thread] =
                parts[0][thread] + parts[1][thread] + parts[2][thread] + parts[3][thread];
        // Thread t has the diagonal of row minus column t - 63.
        if (thread < estimate_rows + estimate_keys - 1) {
            const int shift = thread - (estimate_keys - 1);
            float sum = 0;
            for (int r = max(0, shift); r < min(estimate_rows, shift + estimate_keys); ++r)
                sum += weights[r * weight_stride + r - shift];
            // A tile may reach behind the split, where nothing was seen.
            const int at = shift - tile_first + split - 1;
            if (at >= 0) diagonals[at] += sum;
        }
        __syncthreads();
    }
    copy_async_wait<0>();
    diagonal_parts += (static_cast<long long>(head) * splits + blockIdx.x) * diagonal_count;
    for (int index = thread; index < diagonal_count; index += 128) diagonal_parts[index] = diagonals[index];
}

#define SPARSE_ESTIMATE(width)                                                                                         \
    extern "C" __global__ void __launch_bounds__(128) sparse_estimate_maxima_##width(                                  \
        const bf16 *queries, const bf16 *keys, float *rows, int group, int n, int split, long long query_head,         \
        long long query_row, long long key_head, long long key_row, float scale) {                                     \
        estimate_maxima<width>(queries, keys, rows, group, n, split, query_head, query_row, key_head, key_row, scale); \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(128) sparse_estimate_sums_##width(                                    \
        const bf16 *queries, const bf16 *keys, const float *rows, float *column_sums, float *diagonal_parts,           \
        int group, int n, int split, long long query_head, long long query_row, long long key_head,                    \
        long long key_row, float scale) {                                                                              \
        estimate_sums<width>(queries, keys, rows, column_sums, diagonal_parts, group, n, split, query_head, query_row, \
                             key_head, key_row, scale);                                                                \
    }

SPARSE_ESTIMATE(64)
SPARSE_ESTIMATE(128)

/// Grid (n / 256, heads): each diagonal's sum over the splits that it crosses; diagonal_sums [heads, n] by distance.
KERNEL(256) sparse_estimate_join(const float *diagonal_parts, float *diagonal_sums, int n, int split, int splits) {
    const int distance = blockIdx.x * 256 + threadIdx.x, head = blockIdx.y;
    if (distance >= n) return;
    const int count = split + estimate_rows - 1;
    // In the split that begins at column c the distance n - 64 - c - (split - 1) comes first.
    const int first_column = n - estimate_rows - (split - 1) - distance;
    float sum = 0;
    for (int part = 0; part < splits; ++part) {
        const int at = part * split - first_column;
        if (at >= count) break;
        if (at >= 0) sum += diagonal_parts[(static_cast<long long>(head) * splits + part) * count + at];
    }
    diagonal_sums[static_cast<long long>(head) * n + distance] = sum;
}
