// How much attention a few probe rows pay to each key, without a logit ever standing in memory.
//
// Pass one (`probe_row_sums`) holds queries in registers and walks over a range of keys: for each probe row and range the
// largest logit and the sum of exponentials, which the range that ends last brings together. Pass two
// (`probe_column_sums`) holds keys in registers and walks over the queries, so that a column's sum grows in one
// thread's register. Both are one product of 128 held rows by tiles of 32 rows that stream through shared memory.
// Every sum has a fixed order: equal inputs give equal bits.
//
// A KV head's query rows are ordered (query head, probe), the probes of a head padded to a multiple of 32, so that a tile
// belongs to one head and its limits ascend: what no row of a tile can see is not computed.

static constexpr int probe_threads = 128;
static constexpr int probe_held = 128;
static constexpr int probe_tile = 32;
static constexpr int probe_stages = 4;

__device__ __forceinline__ float probe_infinity() { return __uint_as_float(0x7F800000u); }

/// Where 8 elements of a row stand in shared memory: rows next to each other use different banks.
template <int width> __device__ __forceinline__ bf16 *probe_chunk(bf16 *rows, int row, int chunk) {
    return rows + row * width + (chunk ^ (row & 7)) * 8;
}

/// Starts the copy of `rows` rows; `source` names a row's first element, or null for a row of zeros.
template <int width, int rows, typename Source>
__device__ __forceinline__ void probe_copy(bf16 *shared, const bf16 *anything, Source source) {
    constexpr int chunks = width / 8, rows_at_once = probe_threads / chunks;
    int chunk = threadIdx.x % chunks, first = threadIdx.x / chunks;
#pragma unroll
    for (int i = 0; i < rows / rows_at_once; ++i) {
        int row = first + i * rows_at_once;
        const bf16 *from = source(row);
        copy_async_16(
            probe_chunk<width>(shared, row, chunk), from ? from + chunk * 8 : anything, from != nullptr);
    }
}

/// The same for rows `stride` elements apart, of which the first `count` are there.
template <int width, int rows>
__device__ __forceinline__ void probe_copy(bf16 *shared, const bf16 *from, long long stride, int count) {
    probe_copy<width, rows>(
        shared, from, [&](int row) { return row < count ? from + row * stride : nullptr; });
}

/// 16 held rows as the left operand.
template <int width>
__device__ __forceinline__ void probe_hold(unsigned (&held)[width / 16][4], bf16 *shared, int first) {
    int lane = threadIdx.x % 32;
    bf16 *row = shared + (first + lane % 16) * width;
#pragma unroll
    for (int k = 0; k < width / 16; ++k)
        load_matrix_x4(held[k], row + ((2 * k + lane / 16) ^ (lane & 7)) * 8);
}

/// Products of `count` held tiles of 16 rows with the 16 rows of a streamed tile that start at `first`, in halves of 8.
template <int width, int count>
__device__ __forceinline__ void probe_multiply(
    float (*products)[2][4], const unsigned (*held)[width / 16][4], bf16 *tile, int first) {
    int lane = threadIdx.x % 32;
    // Chunk 2 k + (0 or 1) of a row is found by an exclusive or, since rows are as long as all chunks' bits reach.
    int place = (first + lane % 8 + lane / 16 * 8) * width + ((lane / 8 % 2) ^ (lane & 7)) * 8;
#pragma unroll
    for (int m = 0; m < count; ++m)
#pragma unroll
        for (int i = 0; i < 8; ++i) products[m][i / 4][i % 4] = 0;
#pragma unroll
    for (int k = 0; k < width / 16; ++k) {
        unsigned parts[4];
        load_matrix_x4(parts, tile + (place ^ (16 * k)));
        unsigned low[2] = {parts[0], parts[1]}, high[2] = {parts[2], parts[3]};
#pragma unroll
        for (int m = 0; m < count; ++m) {
            mma_bf16_16x8x16(products[m][0], held[m][k], low);
            mma_bf16_16x8x16(products[m][1], held[m][k], high);
        }
    }
}

/// The sum of exponentials that one thread has seen of one row, as a multiple of 2^reference.
struct ProbeSum {
    float reference = -1e30f;
    float sum = 0;

    /// The reference follows the largest logit only where it must: a sum of terms below 2^32 loses nothing.
    __device__ __forceinline__ void add(const float (*products)[4], int row, float scale) {
        float a = products[0][2 * row], b = products[0][2 * row + 1];
        float c = products[1][2 * row], d = products[1][2 * row + 1];
        float most = fmaxf(fmaxf(a, b), fmaxf(c, d)) * scale;
        if (most > reference + 32.0f) {
            sum *= exp2_approximate(reference - most);
            reference = most;
        }
        sum += (exp2_approximate(fmaf(a, scale, -reference)) + exp2_approximate(fmaf(b, scale, -reference)))
            + (exp2_approximate(fmaf(c, scale, -reference)) + exp2_approximate(fmaf(d, scale, -reference)));
    }
};

/// Pass one. Grid: x a KV head's 128 query rows, head after head; y a range of keys.
///
/// scale: of the logits, times log2(e). maxima and sums: [ranges, x, 128], for the ranges to be brought together.
/// offsets [x, 128]: log2 of a row's sum of exponentials, so that its attention is 2^(logit - offset); infinite for rows
/// that pad. limits [x, 128]: the last key a row sees. finished [x]: zero before and after.
template <int width>
__device__ __forceinline__ void probe_row_sums(
    const bf16 *queries, long long query_row, long long query_head, const bf16 *keys, long long key_row,
    long long key_head, const long long *probe_rows, int probes, int group, int slabs, int n, int keys_per_range,
    float scale, float *maxima, float *sums, float *offsets, int *limits, unsigned *finished) {
    alignas(128) __shared__ bf16 shared[probe_held * width];
    __shared__ int own_limits[probe_held];
    __shared__ bool is_last;
    int padded = (probes + probe_tile - 1) / probe_tile * probe_tile;
    int head = blockIdx.x / slabs, first_row = blockIdx.x % slabs * probe_held;
    const bf16 *own_queries = queries + head * group * query_head;
    const bf16 *own_keys = keys + head * key_head;

    // Which row of the KV head's queries stands where, and what it sees.
    int own = first_row + threadIdx.x;
    bool is_row = own < group * padded && own % padded < probes;
    int own_limit = is_row ? static_cast<int>(probe_rows[own % padded]) : -1;
    own_limits[threadIdx.x] = own_limit;
    probe_copy<width, probe_held>(shared, queries, [&](int local) {
        int row = first_row + local;
        return row < group * padded && row % padded < probes
            ? own_queries + row % padded * query_row + row / padded * query_head
            : nullptr;
    });
    copy_async_commit();
    int begin = blockIdx.y * keys_per_range;
    int last_limit = static_cast<int>(block_max<probe_threads>(static_cast<float>(own_limit)));
    int end = min(min(begin + keys_per_range, n), last_limit + 1);
    copy_async_wait<0>();
    __syncthreads();

    // Each warp holds a tile of 16 rows from each half of the slab: the early probes, which see little, and the recent
    // ones, which see everything, so that the warps have equally much to do.
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    unsigned held[2][width / 16][4];
    int limit[2][2], most[2], least[2];
#pragma unroll
    for (int m = 0; m < 2; ++m) {
        int first = m * 64 + warp * 16;
        probe_hold<width>(held[m], shared, first);
        limit[m][0] = own_limits[first + lane / 4];
        limit[m][1] = own_limits[first + lane / 4 + 8];
        most[m] = static_cast<int>(warp_max(static_cast<float>(max(limit[m][0], limit[m][1]))));
        least[m] = static_cast<int>(-warp_max(-static_cast<float>(min(limit[m][0], limit[m][1]))));
    }
    __syncthreads();

    int tiles = end > begin ? (end - begin + probe_tile - 1) / probe_tile : 0;
    auto start = [&](int tile) {
        if (tile < tiles) {
            int first = begin + tile * probe_tile;
            probe_copy<width, probe_tile>(
                shared + tile % probe_stages * probe_tile * width, own_keys + first * key_row, key_row, n - first);
        }
        copy_async_commit();
    };
    for (int tile = 0; tile < probe_stages - 1; ++tile) start(tile);
    ProbeSum total[2][2];
    for (int tile = 0; tile < tiles; ++tile) {
        copy_async_wait<probe_stages - 2>();
        __syncthreads();
        start(tile + probe_stages - 1);
        bf16 *stage = shared + tile % probe_stages * probe_tile * width;
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            int column = begin + tile * probe_tile + part * 16;
            float products[2][2][4];
            auto add = [&](int m) {
                if (column + 15 > least[m]) {
#pragma unroll
                    for (int i = 0; i < 8; ++i)
                        if (column + i / 4 * 8 + lane % 4 * 2 + i % 2 > limit[m][i % 4 / 2])
                            products[m][i / 4][i % 4] = -probe_infinity();
                }
                total[m][0].add(products[m], 0, scale);
                total[m][1].add(products[m], 1, scale);
            };
            bool sees_first = column <= most[0], sees_second = column <= most[1];
            if (sees_first && sees_second) {
                probe_multiply<width, 2>(products, held, stage, part * 16);
                add(0);
                add(1);
            } else if (sees_first) {
                probe_multiply<width, 1>(products, held, stage, part * 16);
                add(0);
            } else if (sees_second) {
                probe_multiply<width, 1>(products + 1, held + 1, stage, part * 16);
                add(1);
            }
        }
    }
    copy_async_wait<0>();

    // The four lanes of a row have its other columns.
    long long place = (static_cast<long long>(blockIdx.y) * gridDim.x + blockIdx.x) * probe_held;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            ProbeSum &own_sum = total[m][half];
            float reference = own_sum.reference;
            for (int offset = 1; offset < 4; offset *= 2)
                reference = fmaxf(reference, __shfl_xor_sync(0xFFFFFFFFu, reference, offset));
            float sum = own_sum.sum * exp2_approximate(own_sum.reference - reference);
            for (int offset = 1; offset < 4; offset *= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, offset);
            if (lane % 4 == 0) {
                int row = m * 64 + warp * 16 + half * 8 + lane / 4;
                maxima[place + row] = reference;
                sums[place + row] = sum;
            }
        }

    // Whoever ends last brings the ranges together, in their order.
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) is_last = atomicAdd(&finished[blockIdx.x], 1u) + 1 == gridDim.y;
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    float reference = -1e30f, sum = 0;
    for (unsigned range = 0; range < gridDim.y; ++range) {
        long long at = (static_cast<long long>(range) * gridDim.x + blockIdx.x) * probe_held + threadIdx.x;
        float other = __ldcg(maxima + at), part = __ldcg(sums + at);
        float larger = fmaxf(reference, other);
        sum = sum * exp2_approximate(reference - larger) + part * exp2_approximate(other - larger);
        reference = larger;
    }
    int row = blockIdx.x * probe_held + threadIdx.x;
    offsets[row] = is_row && sum > 0 ? reference + log2f(sum) : probe_infinity();
    limits[row] = is_row ? own_limit : n;
    if (threadIdx.x == 0) finished[blockIdx.x] = 0;
}

/// Adds the attention of 16 queries to the sums of a warp's keys.
template <bool isMasked>
__device__ __forceinline__ void probe_add(
    float (&sums)[2][2], const float (&products)[2][2][4], float scale, const float *offsets, const int *limits,
    int first_key) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        int half = i / 2, query = half * 8 + lane % 4 * 2 + i % 2;
        float offset = offsets[query];
        int limit = isMasked ? limits[query] : 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int m = j / 2, row = j % 2;
            float share = exp2_approximate(fmaf(products[m][half][row * 2 + i % 2], scale, -offset));
            if (isMasked && first_key + m * 16 + row * 8 + lane / 4 > limit) share = 0;
            sums[m][row] += share;
        }
    }
}

/// Pass two. Grid: x 128 keys; y a KV head and a share of its queries' tiles. partials: [y, n].
template <int width>
__device__ __forceinline__ void probe_column_sums(
    const bf16 *queries, long long query_row, long long query_head, const bf16 *keys, long long key_row,
    long long key_head, const long long *probe_rows, int probes, int group, int slabs, int n, int shares, float scale,
    const float *offsets, const int *limits, float *partials) {
    alignas(128) __shared__ bf16 shared[probe_held * width];
    alignas(16) __shared__ float tile_offsets[probe_stages][probe_tile];
    alignas(16) __shared__ int tile_limits[probe_stages][probe_tile];
    int head = blockIdx.y / shares, share = blockIdx.y % shares;
    int first_key = blockIdx.x * probe_held;
    const bf16 *own_queries = queries + head * group * query_head;
    const bf16 *own_keys = keys + head * key_head;
    probe_copy<width, probe_held>(shared, own_keys + first_key * key_row, key_row, n - first_key);
    copy_async_commit();

    // Tiles of a head's probes whose last row does not reach these keys are left out.
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int head_tiles = (probes + probe_tile - 1) / probe_tile;
    int hidden = 0;
    for (int first = 0; first < head_tiles; first += 32) {
        int tile = first + lane;
        bool is_hidden =
            tile < head_tiles && probe_rows[min(tile * probe_tile + probe_tile, probes) - 1] < first_key;
        hidden += __popc(__ballot_sync(0xFFFFFFFFu, is_hidden));
    }
    int shown = head_tiles - hidden;
    int begin = group * shown * share / shares, end = group * shown * (share + 1) / shares;

    copy_async_wait<0>();
    __syncthreads();
    unsigned held[2][width / 16][4];
#pragma unroll
    for (int m = 0; m < 2; ++m) probe_hold<width>(held[m], shared, warp * 32 + m * 16);
    __syncthreads();

    auto start = [&](int tile) {
        if (tile < end) {
            int stage = (tile - begin) % probe_stages;
            int query = tile / shown, probe = (hidden + tile % shown) * probe_tile;
            probe_copy<width, probe_tile>(
                shared + stage * probe_tile * width, own_queries + query * query_head + probe * query_row, query_row,
                probes - probe);
            long long row = static_cast<long long>(head) * slabs * probe_held
                + query * head_tiles * probe_tile + probe;
            if (threadIdx.x < probe_tile / 4)
                copy_async_16(&tile_offsets[stage][threadIdx.x * 4], offsets + row + threadIdx.x * 4, true);
            else if (threadIdx.x < probe_tile / 2) {
                int at = threadIdx.x * 4 - probe_tile;
                copy_async_16(&tile_limits[stage][at], limits + row + at, true);
            }
        }
        copy_async_commit();
    };
    for (int ahead = 0; ahead < probe_stages - 1; ++ahead) start(begin + ahead);
    int warp_key = first_key + warp * 32;
    float sums[2][2] = {};
    for (int tile = begin; tile < end; ++tile) {
        copy_async_wait<probe_stages - 2>();
        __syncthreads();
        start(tile + probe_stages - 1);
        int at = (tile - begin) % probe_stages;
        bf16 *stage = shared + at * probe_tile * width;
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            // Limits ascend within a tile.
            if (tile_limits[at][part * 16 + 15] < warp_key) continue;
            float products[2][2][4];
            probe_multiply<width, 2>(products, held, stage, part * 16);
            if (tile_limits[at][part * 16] >= warp_key + 31)
                probe_add<false>(sums, products, scale, tile_offsets[at] + part * 16, tile_limits[at] + part * 16, 0);
            else
                probe_add<true>(
                    sums, products, scale, tile_offsets[at] + part * 16, tile_limits[at] + part * 16, warp_key);
        }
    }
    copy_async_wait<0>();
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int row = 0; row < 2; ++row) {
            float sum = sums[m][row];
            for (int offset = 1; offset < 4; offset *= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, offset);
            int key = warp_key + m * 16 + row * 8 + lane / 4;
            if (lane % 4 == 0 && key < n) partials[static_cast<long long>(blockIdx.y) * n + key] = sum;
        }
}

#define PROBE_KERNELS(width)                                                                                           \
    extern "C" __global__ void __launch_bounds__(probe_threads, 4) probe_row_sums_##width(                             \
        const bf16 *queries, long long query_row, long long query_head, const bf16 *keys, long long key_row,           \
        long long key_head, const long long *probe_rows, int probes, int group, int slabs, int n, int keys_per_range,  \
        float scale, float *maxima, float *sums, float *offsets, int *limits, unsigned *finished) {                    \
        probe_row_sums<width>(                                                                                         \
            queries, query_row, query_head, keys, key_row, key_head, probe_rows, probes, group, slabs, n,              \
            keys_per_range, scale, maxima, sums, offsets, limits, finished);                                           \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(probe_threads, 4) probe_column_sums_##width(                          \
        const bf16 *queries, long long query_row, long long query_head, const bf16 *keys, long long key_row,           \
        long long key_head, const long long *probe_rows, int probes, int group, int slabs, int n, int shares,          \
        float scale, const float *offsets, const int *limits, float *partials) {                                       \
        probe_column_sums<width>(                                                                                      \
            queries, query_row, query_head, keys, key_row, key_head, probe_rows, probes, group, slabs, n, shares,      \
            scale, offsets, limits, partials);                                                                         \
    }
PROBE_KERNELS(64)
PROBE_KERNELS(128)
