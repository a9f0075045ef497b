// Attention of one new token over the cached ones, for any number of sequences: RoPE, append, attend, combine.
//
// A block serves one key/value head of one sequence over a part of its entries; all query heads of the group share the one
// pass over keys and values. Each warp streams 16 entries at a time through shared memory of its own, with a softmax of its own;
// warps are joined at the block's end, parts by the last block to arrive, always in the same order. Lengths stand in device memory:
// the grid is the same for every length, and a sequence gets the same bits alone and in a batch.

// The constants in capitals may be set in front of this file, to measure others.
#ifndef ATTEND_WARPS
#define ATTEND_WARPS 8
#endif
static constexpr int attend_warps = ATTEND_WARPS;
static constexpr int attend_threads = attend_warps * 32;
#ifndef ATTEND_STAGES
#define ATTEND_STAGES 3
#endif
static constexpr int attend_stages = ATTEND_STAGES;
/// Whether the next kernel may begin at once, or only when a block has all its entries: its own loads compete.
#ifndef ATTEND_EARLY
#define ATTEND_EARLY 0
#endif
/// Entries that a warp takes at a time.
static constexpr int attend_chunk = 16;
/// A shorter part is not worth its join.
static constexpr int least_part = attend_warps * attend_chunk;
/// Query heads of a group: columns of one product.
static constexpr int group_limit = 8;
static constexpr int most_parts = 96;

/// One layer's entries of one sequence; strides in elements.
struct CacheView {
    bf16 *keys;
    bf16 *values;
    long long head_stride;
    long long entry_stride;
    long long capacity;
};

/// Entries per part, so that `parts` hold `length`.
__device__ __forceinline__ int part_length(int length, int parts) {
    int each = (length + parts - 1) / parts;
    each = (each + attend_chunk - 1) / attend_chunk * attend_chunk;
    return max(each, least_part);
}

/// Four neighbouring elements.
struct alignas(8) Four {
    bf16 values[4];
};
__device__ __forceinline__ Four load_four(const bf16 *address) { return *reinterpret_cast<const Four *>(address); }
__device__ __forceinline__ void store_four(bf16 *address, const Four &x) { *reinterpret_cast<Four *>(address) = x; }

/// x cos + turned sin with the roundings of the plain operators.
__device__ __forceinline__ Four rotated(
    const Four &x, const Four &turned, const Four &cosine, const Four &sine, float sign) {
    Four result;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        float straight = rounded<bf16>(to_float(x.values[i]) * to_float(cosine.values[i]));
        float across = rounded<bf16>(sign * to_float(turned.values[i]) * to_float(sine.values[i]));
        result.values[i] = from_float<bf16>(straight + across);
    }
    return result;
}

/// Where 16 bytes of a row of d elements stand: rows of a tile fall into different banks.
template <int d> __device__ __forceinline__ int swizzled(int row, int piece) {
    return row * (d / 8) + (piece ^ (row % 8));
}

/// The running softmax of one warp over what it has seen, for the eight heads of a group. A lane keeps head lane / 4's maximum
/// and its own part of that head's sum; `output` is transposed: tiles of 16 columns by 8 heads.
template <int d> struct RunningAttention {
    float most, sum;
    float output[d / 16][4];

    __device__ __forceinline__ void begin() {
        most = -__int_as_float(0x7f800000), sum = 0;
        for (int i = 0; i < d / 16; ++i)
            for (int j = 0; j < 4; ++j) output[i][j] = 0;
    }

    /// The new token itself, which is in no cache yet.
    __device__ __forceinline__ void begin(const bf16 *query, const bf16 *key, const bf16 *value, float scale) {
        int lane = threadIdx.x % 32, group = lane / 4, quarter = lane % 4;
        float score = 0;
        for (int i = 0; i < d / 4; ++i) {
            int column = quarter * (d / 4) + i;
            float q = to_float(query[swizzled<d>(group, column / 8) * 8 + column % 8]);
            score += q * to_float(key[column]);
        }
        score += __shfl_xor_sync(0xFFFFFFFFu, score, 1);
        score += __shfl_xor_sync(0xFFFFFFFFu, score, 2);
        most = score * scale;
        sum = quarter == 0 ? 1 : 0;
        for (int i = 0; i < d / 16; ++i)
            for (int j = 0; j < 4; ++j) output[i][j] = to_float(value[i * 16 + group + j / 2 * 8]);
    }

    /// 16 more entries, of which the first `count` exist; keys and values swizzled in shared memory.
    __device__ __forceinline__ void add(
        const unsigned (&query)[d / 16][2], const uint4 *keys, const uint4 *values, int count, float scale) {
        int lane = threadIdx.x % 32, quarter = lane % 4;
        float scores[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}};
        for (int i = 0; i < d / 16; ++i) {
            unsigned tiles[4];
            int entry = lane / 16 * 8 + lane % 8;
            load_matrix_x4(tiles, keys + swizzled<d>(entry, i * 2 + lane / 8 % 2));
            const unsigned a[4] = {query[i][0], 0, query[i][1], 0};
            const unsigned low[2] = {tiles[0], tiles[1]}, high[2] = {tiles[2], tiles[3]};
            mma_bf16_16x8x16(scores[0], a, low);
            mma_bf16_16x8x16(scores[1], a, high);
        }
        float p[4];
        float next = most;
        for (int i = 0; i < 4; ++i) {
            int entry = i / 2 * 8 + quarter * 2 + i % 2;
            p[i] = entry < count ? scores[i / 2][i % 2] * scale : -__int_as_float(0x7f800000);
            next = fmaxf(next, p[i]);
        }
        next = fmaxf(next, __shfl_xor_sync(0xFFFFFFFFu, next, 1));
        next = fmaxf(next, __shfl_xor_sync(0xFFFFFFFFu, next, 2));
        float shrink = exp2_approximate(most - next);
        most = next;
        sum *= shrink;
        for (int i = 0; i < 4; ++i) {
            p[i] = exp2_approximate(p[i] - next);
            sum += p[i];
        }
        // The output's columns are heads: this lane holds those of heads 2 quarter and 2 quarter + 1.
        float even = __shfl_sync(0xFFFFFFFFu, shrink, quarter * 8);
        float odd = __shfl_sync(0xFFFFFFFFu, shrink, quarter * 8 + 4);
        const unsigned b[2] = {pack_bf16(p[0], p[1]), pack_bf16(p[2], p[3])};
        for (int i = 0; i < d / 16; ++i) {
            output[i][0] *= even, output[i][1] *= odd, output[i][2] *= even, output[i][3] *= odd;
            unsigned a[4];
            int entry = lane / 16 * 8 + lane % 8;
            load_matrix_x4_transposed(a, values + swizzled<d>(entry, i * 2 + lane / 8 % 2));
            mma_bf16_16x8x16(output[i], a, b);
        }
    }
};

/// Joins the parts of one key/value head: out = sum_s 2^(most_s - most) output_s / sum_s 2^(most_s - most) sum_s.
///
/// outputs [parts][group][d], states [parts][group], out [group][d]; a warp takes a head, a lane four columns.
template <int d>
__device__ __forceinline__ void join_parts(
    bf16 *out, const float *outputs, const float2 *states, int parts, int group) {
    constexpr int rounds = most_parts / 32, columns = d / 4;
    /// Loads under way: the join is as long as its round trips.
    constexpr int batch = 24;
    __shared__ float weights[attend_warps][most_parts];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int head = warp; head < group; head += attend_warps) {
        // From the cache that all blocks share; the first batch does not wait for the states.
        float2 state[rounds];
#pragma unroll
        for (int i = 0; i < rounds; ++i)
            state[i] = i * 32 + lane < parts ? __ldcg(&states[(i * 32 + lane) * group + head])
                                             : make_float2(-__int_as_float(0x7f800000), 0);
        const float *source = outputs + head * d + lane % columns * 4;
        float4 some[batch];
        auto load = [&](int first) {
#pragma unroll
            for (int i = 0; i < batch; ++i)
                if (first + i < parts)
                    some[i] = __ldcg(reinterpret_cast<const float4 *>(source + (first + i) * group * d));
        };
        load(0);
        float most = state[0].x, total = 0;
#pragma unroll
        for (int i = 1; i < rounds; ++i) most = fmaxf(most, state[i].x);
        most = warp_max(most);
        __syncwarp();  // the last head's weights are read
#pragma unroll
        for (int i = 0; i < rounds; ++i) {
            float weight = exp2_approximate(state[i].x - most);
            weights[warp][i * 32 + lane] = weight;
            total += weight * state[i].y;
        }
        total = warp_sum(total);
        __syncwarp();
        float sums[4] = {0, 0, 0, 0};
        for (int first = 0; first < parts; first += batch) {
            if (first > 0) load(first);
#pragma unroll
            for (int i = 0; i < batch; ++i)
                if (first + i < parts) {
                    float weight = weights[warp][first + i];
                    sums[0] += weight * some[i].x, sums[1] += weight * some[i].y;
                    sums[2] += weight * some[i].z, sums[3] += weight * some[i].w;
                }
        }
        if (lane < columns) {
            Four result;
            for (int i = 0; i < 4; ++i) result.values[i] = from_float<bf16>(sums[i] / total);
            store_four(out + head * d + lane * 4, result);
        }
    }
}

/// - projected: [B, (heads + 2 kv_heads) d]: queries, then keys and values at the columns given.
/// - cosine, sine: [B, table_rows, d], a sequence's row is its step modulo their number. views, lengths: of this layer, [B].
/// - outputs, states, tickets: [B, kv_heads, gridDim.x, group, d], [B, kv_heads, gridDim.x, group] and zeroed [B, kv_heads].
/// - out: [B, heads d]. Grid: (parts, kv_heads, B), at most `most_parts`.
template <int d>
__device__ __forceinline__ void decode_attention(
    const bf16 *projected, const bf16 *cosine_table, const bf16 *sine_table, const CacheView *views, const int *lengths,
    const int *steps, float *outputs, float2 *states, unsigned *tickets, bf16 *out, int group, int key_column,
    int value_column, int table_rows, float scale, const NextMatrix &next) {
    constexpr int row_packs = d / 8, chunk_packs = attend_chunk * row_packs;
    DYNAMIC_SHARED(uint4, ring);
    __shared__ uint4 query[group_limit * row_packs];
    __shared__ Four new_fours[2][d / 4];
    __shared__ unsigned arrived;

    if (ATTEND_EARLY) let_next_kernel_begin();
    int sequence = blockIdx.z, head = blockIdx.y, part = blockIdx.x, heads = gridDim.y;
    CacheView view = views[sequence];
    int length = lengths[sequence];
    int step = steps[sequence] % table_rows;
    int each = part_length(length, gridDim.x);
    int parts = max(1, (length + each - 1) / each);
    if (part >= parts) return;
    int start = part * each, end = min(length, start + each);
    bool has_new = part == parts - 1;

    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bf16 *keys = view.keys + head * view.head_stride, *values = view.values + head * view.head_stride;
    uint4 *own = ring + warp * attend_stages * 2 * chunk_packs;
    auto load = [&](int chunk, int stage) {
        int first = start + (warp + chunk * attend_warps) * attend_chunk;
        if (first < end)
#pragma unroll
            for (int i = 0; i < chunk_packs / 32; ++i) {
                int row = (i * 32 + lane) / row_packs, piece = (i * 32 + lane) % row_packs;
                bool exists = first + row < end;
                long long at = (exists ? first + row : first) * view.entry_stride + piece * 8;
                uint4 *slot = own + stage * 2 * chunk_packs + swizzled<d>(row, piece);
                copy_async_16(slot, keys + at, exists);
                copy_async_16(slot + chunk_packs, values + at, exists);
            }
        copy_async_commit();
    };
    // What is cached already does not wait for this step's projections.
    for (int stage = 0; stage < attend_stages; ++stage) load(stage, stage);

    wait_for_previous_kernels();
    const bf16 *row = projected + static_cast<long long>(sequence) * (heads * group + 2 * heads) * d;
    long long table_row = (static_cast<long long>(sequence) * table_rows + step) * d;
    bf16 *query_elements = reinterpret_cast<bf16 *>(query);
    bf16 *new_key = new_fours[0]->values, *new_value = new_fours[1]->values;
    // The queries, zeros behind the last, the new key, the new value. A thread takes four columns and the four that turn
    // with them, and has loaded all before it needs the first.
    constexpr int threads = d / 8;
    for (int i = threadIdx.x; i < (group_limit + 2) * threads; i += attend_threads) {
        int member = i / threads, low = i % threads * 4, high = low + d / 2;
        bool is_key = member == group_limit, is_value = member == group_limit + 1;
        if ((is_key || is_value) && !has_new) break;
        int column = is_key ? key_column + head * d : is_value ? value_column + head * d
                                                               : (head * group + min(member, group - 1)) * d;
        Four x = load_four(row + column + low), y = load_four(row + column + high);
        if (!is_value) {
            Four cosine = load_four(cosine_table + table_row + low), sine = load_four(sine_table + table_row + low);
            Four high_cosine = load_four(cosine_table + table_row + high);
            Four high_sine = load_four(sine_table + table_row + high);
            Four left = rotated(x, y, cosine, sine, -1), right = rotated(y, x, high_cosine, high_sine, 1);
            x = left, y = right;
        }
        if (is_key || is_value) {
            bf16 *own = is_key ? new_key : new_value;
            store_four(own + low, x), store_four(own + high, y);
            if (length < view.capacity) {
                bf16 *entry = (is_key ? view.keys : view.values) + head * view.head_stride + length * view.entry_stride;
                store_four(entry + low, x), store_four(entry + high, y);
            }
        } else {
            if (member >= group) x = y = Four{};
            store_four(query_elements + swizzled<d>(member, low / 8) * 8 + low % 8, x);
            store_four(query_elements + swizzled<d>(member, high / 8) * 8 + high % 8, y);
        }
    }
    __syncthreads();

    unsigned asked[d / 16][2];
#pragma unroll
    for (int i = 0; i < d / 32; ++i) {
        unsigned tiles[4];
        load_matrix_x4(tiles, query + swizzled<d>(lane % 8, i * 4 + lane / 8));
        asked[i * 2][0] = tiles[0], asked[i * 2][1] = tiles[1];
        asked[i * 2 + 1][0] = tiles[2], asked[i * 2 + 1][1] = tiles[3];
    }
    RunningAttention<d> running;
    if (has_new && warp == attend_warps - 1)
        running.begin(query_elements, new_key, new_value, scale);
    else
        running.begin();
    int chunks = (end - start + attend_chunk - 1) / attend_chunk;
    int count = max(0, (chunks - warp + attend_warps - 1) / attend_warps);
    for (int chunk = 0; chunk < count; ++chunk) {
        int stage = chunk % attend_stages;
        int first = start + (warp + chunk * attend_warps) * attend_chunk;
        copy_async_wait<attend_stages - 1>();
        __syncwarp();
        const uint4 *slot = own + stage * 2 * chunk_packs;
        running.add(asked, slot, slot + chunk_packs, min(attend_chunk, end - first), scale);
        __syncwarp();
        load(chunk + attend_stages, stage);
    }
    copy_async_wait<0>();
    if (!ATTEND_EARLY) let_next_kernel_begin();
    next.prefetch((sequence * heads + head) * gridDim.x + part, gridDim.x * heads * gridDim.z);
    running.sum += __shfl_xor_sync(0xFFFFFFFFu, running.sum, 1);
    running.sum += __shfl_xor_sync(0xFFFFFFFFu, running.sum, 2);

    // The warps' outputs [warp][member][d] take the ring's place, with members in different banks.
    constexpr int line = d + 4;
    __shared__ float2 warp_states[attend_warps][group_limit];
    float *warp_outputs = reinterpret_cast<float *>(ring);
    __syncthreads();
    if (lane % 4 == 0) warp_states[warp][lane / 4] = make_float2(running.most, running.sum);
#pragma unroll
    for (int i = 0; i < d / 16; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            int member = lane % 4 * 2 + j % 2, column = i * 16 + j / 2 * 8 + lane / 4;
            warp_outputs[(warp * group_limit + member) * line + column] = running.output[i][j];
        }
    __syncthreads();
    long long place = static_cast<long long>(sequence) * heads + head;
    float *part_outputs = outputs + place * gridDim.x * group * d;
    float2 *part_states = states + place * gridDim.x * group;
    for (int i = threadIdx.x; i < group * d / 4; i += attend_threads) {
        int member = i / (d / 4), column = i % (d / 4) * 4;
        float most = warp_states[0][member].x;
#pragma unroll
        for (int w = 1; w < attend_warps; ++w) most = fmaxf(most, warp_states[w][member].x);
        float4 value = make_float4(0, 0, 0, 0);
        float sum = 0;
#pragma unroll
        for (int w = 0; w < attend_warps; ++w) {
            float weight = exp2_approximate(warp_states[w][member].x - most);
            float4 more = *reinterpret_cast<const float4 *>(&warp_outputs[(w * group_limit + member) * line + column]);
            value.x += weight * more.x, value.y += weight * more.y;
            value.z += weight * more.z, value.w += weight * more.w;
            sum += weight * warp_states[w][member].y;
        }
        if (parts == 1) {
            Four result{
                from_float<bf16>(value.x / sum), from_float<bf16>(value.y / sum), from_float<bf16>(value.z / sum),
                from_float<bf16>(value.w / sum)};
            store_four(out + (place * group + member) * d + column, result);
        } else {
            float *target = part_outputs + (static_cast<long long>(part) * group + member) * d + column;
            *reinterpret_cast<float4 *>(target) = value;
            if (column == 0) part_states[part * group + member] = make_float2(most, sum);
        }
    }
    if (parts == 1) return;

    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) arrived = atomicAdd(&tickets[place], 1u) + 1;
    __syncthreads();
    if (arrived != parts) return;
    __threadfence();
    if (threadIdx.x == 0) tickets[place] = 0;
    join_parts<d>(out + place * group * d, part_outputs, part_states, parts, group);
}

#define DECODE_ATTENTION(name, d)                                                                                      \
    KERNEL(attend_threads)                                                                                             \
    name(const bf16 *projected, const bf16 *cosine, const bf16 *sine, const CacheView *views, const int *lengths,      \
         const int *steps, float *outputs, float2 *states, unsigned *tickets, bf16 *out, int group, int key_column,    \
         int value_column, int table_rows, float scale, NEXT_MATRIX_PARAMETERS) {                                      \
        decode_attention<d>(                                                                                           \
            projected, cosine, sine, views, lengths, steps, outputs, states, tickets, out, group, key_column,          \
            value_column, table_rows, scale, NEXT_MATRIX);                                                             \
    }

DECODE_ATTENTION(decode_attention_64, 64)
DECODE_ATTENTION(decode_attention_128, 128)
