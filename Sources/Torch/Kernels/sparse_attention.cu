// Causal attention of which each head computes some tiles of 64 keys: MInference's patterns, pair for pair.
//
// A head sees its chosen columns and its chosen diagonals, or for each block of queries some blocks of keys. How a
// block of queries meets the diagonals does not depend on where it stands, so a head needs one list of tiles, by
// their distance from the block's first row; columns that no tile of the block covers are gathered, 64 at a time.
// Where that comes to as many tiles as the block has keys, it takes all of them in order.

constexpr int tile_keys = 64;
/// Room around the bits of the diagonals: windows of 64 may begin before the first or end after the last.
constexpr int diagonal_margin = 192;
constexpr int column_margin = 64;

/// How a head is described: kind, then its sizes.
constexpr int kind_dense = 0, kind_ranked = 1, kind_streaming = 2, kind_blocks = 3;

/// Bit r of a head's diagonals is the distance (row minus column) diagonal_origin(n) - r, so that a row's bits run in
/// the order of the columns.
__device__ __forceinline__ int diagonal_origin(int n) { return n + diagonal_margin; }

/// Words of each of a head's three bitmaps; the host allocates as many.
__device__ __forceinline__ int bitmap_words(int n) { return (n + 2 * diagonal_margin + 160) / 32; }

__device__ __forceinline__ unsigned long long window(const unsigned *bits, int index) {
    const unsigned *words = bits + index / 32;
    const int shift = index % 32;
    const unsigned long long low = words[0] | static_cast<unsigned long long>(words[1]) << 32;
    return shift == 0 ? low : low >> shift | static_cast<unsigned long long>(words[2]) << (64 - shift);
}

/// How many of `count` ascending values are below `limit`.
__device__ __forceinline__ int below(const int *ascending, int count, int limit) {
    int low = 0;
    while (low < count) {
        const int middle = (low + count) / 2;
        if (ascending[middle] < limit) {
            low = middle + 1;
        } else {
            count = middle;
        }
    }
    return low;
}

/// The tiles of one head's block of queries.
struct Tiles {
    int end;         // first column that no row sees
    int from;        // first tile of the diagonals
    int diagonals;   // tiles of the diagonals, or listed blocks
    int columns;     // chosen columns before the end
    int total;
    bool is_whole;   // all keys in order
    bool is_listed;  // blocks of keys from a list, then the block's own
};

__device__ __forceinline__ Tiles tiles_of(int first, int rows, int n, const int *tiles, int tile_count, const int *columns,
                                          int column_count, const int *listed, int listed_count) {
    Tiles t;
    t.end = min(first + rows, n);
    t.from = 0;
    t.is_whole = false;
    t.is_listed = listed != nullptr;
    if (t.is_listed) {
        t.diagonals = below(listed, listed_count, first / tile_keys);
        t.columns = 0;
        t.total = t.diagonals + 1;
        return t;
    }
    while (t.from < tile_count && first - tiles[t.from] >= t.end) ++t.from;
    t.diagonals = below(tiles, tile_count, first + tile_keys) - t.from;
    t.columns = below(columns, column_count, t.end);
    t.total = t.diagonals + (t.columns + tile_keys - 1) / tile_keys;
    const int all = (t.end + tile_keys - 1) / tile_keys;
    if (t.total >= all) {
        t.is_whole = true;
        t.total = all;
    }
    return t;
}

// ---- lists -----------------------------------------------------------------------------------------------------------

/// The first bit at or above `from` that is not set.
__device__ __forceinline__ int first_unset(const unsigned *bits, int from, int until) {
    int at = from;
    while (at < until) {
        const unsigned open = ~bits[at / 32] >> (at % 32);
        if (open != 0) return min(until, at + __ffs(static_cast<int>(open)) - 1);
        at = (at / 32 + 1) * 32;
    }
    return until;
}

/// The last bit at or below `from` that is set (or is not, for `flipped` of all ones), -1 without one.
__device__ __forceinline__ int last_set(const unsigned *bits, int from, unsigned flipped) {
    while (from >= 0) {
        const unsigned left = (bits[from / 32] ^ flipped) << (31 - from % 32);
        if (left != 0) return from - __clz(static_cast<int>(left));
        from = from / 32 * 32 - 1;
    }
    return -1;
}

__device__ __forceinline__ void set_bit(unsigned *bits, int index) { atomicOr(bits + index / 32, 1u << index % 32); }

/// One block a head: its bitmaps, its columns in ascending order, its tiles, and the pairs that attention will compute.
///
/// specs [heads, 4]: kind; columns, diagonals (or first and recent keys, or row of the block lists and nothing).
/// column_order, diagonal_order [heads, n - forced]: what stands behind the forced ones, best first.
/// listed [lists, blocks, capacity]: ascending blocks of keys; those not before the block's own do not count.
/// bits [heads, 3, words]: diagonals, columns, and the distances that a tile covers.
/// columns [heads, column_capacity], tiles [heads, tile_capacity], counts [heads, 2], pairs [heads].
KERNEL(256) sparse_lists(const int *specs, const long long *column_order, const long long *diagonal_order,
                         const int *listed, int listed_capacity, int forced_columns, int forced_diagonals, int n,
                         int rows, unsigned *bits, int *columns, int column_capacity, int *tiles, int tile_capacity,
                         int *counts, long long *pairs) {
    constexpr int threads = 256;
    const int head = blockIdx.x, thread = threadIdx.x;
    const int words = bitmap_words(n), origin = diagonal_origin(n);
    const int kind = specs[4 * head], first_size = min(specs[4 * head + 1], n), second_size = min(specs[4 * head + 2], n);
    unsigned *diagonal_bits = bits + 3LL * head * words, *column_bits = diagonal_bits + words;
    unsigned *covered_bits = column_bits + words;
    columns += static_cast<long long>(head) * column_capacity;
    tiles += static_cast<long long>(head) * tile_capacity;
    __shared__ int before[threads];
    __shared__ int column_count, tile_count;
    __shared__ bool covers_all;
    __shared__ long long sums[threads];

    for (int word = thread; word < 3 * words; word += threads) diagonal_bits[word] = 0;
    __syncthreads();

    if (kind == kind_ranked) {
        const int forced_here = min(forced_columns, first_size), forced_there = min(forced_diagonals, second_size);
        const long long *best_columns = column_order + static_cast<long long>(head) * (n - forced_columns);
        const long long *best_diagonals = diagonal_order + static_cast<long long>(head) * (n - forced_diagonals);
        for (int rank = thread; rank < first_size; rank += threads) {
            const int column =
                rank < forced_here ? rank : forced_here + static_cast<int>(best_columns[rank - forced_here]);
            set_bit(column_bits, column + column_margin);
        }
        for (int rank = thread; rank < second_size; rank += threads) {
            const int distance =
                rank < forced_there ? rank : forced_there + static_cast<int>(best_diagonals[rank - forced_there]);
            set_bit(diagonal_bits, origin - distance);
        }
    } else {
        const int seen_columns = kind == kind_streaming ? first_size : 0;
        const int seen_diagonals = kind == kind_streaming ? second_size : n;
        for (int column = thread; column < seen_columns; column += threads) set_bit(column_bits, column + column_margin);
        for (int distance = thread; distance < seen_diagonals; distance += threads)
            set_bit(diagonal_bits, origin - distance);
    }
    __syncthreads();

    // Columns in ascending order: each thread writes those of its words behind those of all words before.
    const int share = (words + threads - 1) / threads;
    const int first_word = min(words, thread * share), last_word = min(words, first_word + share);
    int own = 0;
    for (int word = first_word; word < last_word; ++word) own += __popc(column_bits[word]);
    before[thread] = own;
    __syncthreads();
    if (thread == 0) {
        int sum = 0;
        for (int other = 0; other < threads; ++other) {
            const int count = before[other];
            before[other] = sum;
            sum += count;
        }
        column_count = sum;

        // A tile begins at the nearest distance that a diagonal touches in some row, and takes the next 63 with it.
        // The diagonal at distance o touches o - (rows - 1)...o, as seen from the block's first row.
        int count = 0;
        int next = 1 - rows;
        while (kind != kind_blocks) {
            // Nearest diagonal at or behind `next`: the highest bit at or below it.
            const int bit = last_set(diagonal_bits, origin - max(next, 0), 0);
            if (bit < 0) break;
            const int start = max(next, origin - bit - (rows - 1));
            tiles[count] = start + tile_keys - 1;
            ++count;
            next = start + tile_keys;
        }
        tile_count = count;
        // The nearest pair that no one asked for lies in the first missing column, on the first missing diagonal.
        const int missing = origin - last_set(diagonal_bits, origin, ~0u);
        covers_all = first_unset(column_bits, column_margin, column_margin + n) - column_margin + missing >= n;
    }
    __syncthreads();
    int place = before[thread];
    for (int word = first_word; word < last_word; ++word) {
        for (unsigned left = column_bits[word]; left != 0; left &= left - 1) {
            columns[place] = 32 * word + __ffs(static_cast<int>(left)) - 1 - column_margin;
            ++place;
        }
    }
    for (int bit = thread; bit < tile_count * tile_keys; bit += threads) {
        const int index = tiles[bit / tile_keys] - bit % tile_keys + diagonal_margin;
        if (index < 32 * words) set_bit(covered_bits, index);
    }
    __syncthreads();

    const int blocks = (n + rows - 1) / rows;
    const int *list = kind == kind_blocks ? listed + static_cast<long long>(first_size) * blocks * listed_capacity : nullptr;
    long long sum = 0;
    for (int block = thread; block < blocks; block += threads) {
        const int first = block * rows;
        const Tiles t = tiles_of(first, rows, n, tiles, tile_count, columns, column_count,
                                 list == nullptr ? nullptr : list + static_cast<long long>(block) * listed_capacity,
                                 listed_capacity);
        long long keys;
        if (t.is_whole) {
            keys = t.end;
        } else if (t.is_listed) {
            keys = static_cast<long long>(t.diagonals) * tile_keys + t.end - first;
        } else {
            keys = t.columns + static_cast<long long>(t.diagonals) * tile_keys;
            // Cut where they begin before the first column, or end behind the last row.
            for (int tile = t.from; tile < t.from + t.diagonals; ++tile) {
                const int start = first - tiles[tile];
                if (start + tile_keys <= t.end) break;
                keys -= start + tile_keys - t.end;
            }
            if (t.diagonals > 0) keys -= max(0, tiles[t.from + t.diagonals - 1] - first);
        }
        sum += keys * (t.end - first);
    }
    sums[thread] = sum;
    __syncthreads();
    if (thread == 0) {
        long long total = 0;
        for (int other = 0; other < threads; ++other) total += sums[other];
        const bool is_dense = kind == kind_dense || (kind != kind_blocks && covers_all);
        pairs[head] = is_dense ? static_cast<long long>(n) * (n + 1) / 2 : total;
        counts[2 * head] = column_count;
        counts[2 * head + 1] = tile_count;
    }
}

// ---- attention -------------------------------------------------------------------------------------------------------

/// Where a row's piece of 16 bytes stands: shifted by the row, so that eight rows of one piece lie in eight banks.
template <int width> __device__ __forceinline__ int place(int row, int piece) {
    return row * width + (piece ^ row % 8) * 8;
}

/// What the kernel is told of a head's pairs.
struct SparsePattern {
    const unsigned *diagonals, *columns, *covered;
    int n;

    /// Bits of the tile's columns that a row sees.
    __device__ __forceinline__ unsigned long long seen(int row, int start, unsigned long long chosen) const {
        const int past = row - start;
        const unsigned long long causal = past < 0 ? 0ULL : past >= 63 ? ~0ULL : (2ULL << past) - 1;
        return window(diagonals, diagonal_origin(n) - past) | (chosen & causal);
    }

    /// Bits of the tile's columns that are chosen.
    __device__ __forceinline__ unsigned long long chosen(int start) const { return window(columns, start + column_margin); }

    __device__ __forceinline__ bool is_covered(int distance) const {
        const int index = distance + diagonal_margin;
        return (covered[index / 32] >> index % 32 & 1) != 0;
    }
};

/// Attention of one block of queries: warps x slabs x 16 rows.
///
/// Shared memory: two stages of keys and values, and the queries where a warp has more than one slab of them.
template <int width, int warps, int slabs>
__device__ __forceinline__ void sparse_attention(
    const bf16 *queries, const bf16 *keys, const bf16 *values, bf16 *output, const int *specs, const int *listed,
    int listed_capacity, const unsigned *bits, const int *columns, int column_capacity, const int *tiles,
    int tile_capacity, const int *counts, int group, int n, long long query_head, long long query_row,
    long long key_head, long long key_row, long long value_head, long long value_row, long long output_head,
    long long output_row, float scale) {
    constexpr int rows = warps * slabs * 16, threads = warps * 32;
    constexpr int pieces = width / 8, steps = width / 16;
    constexpr bool holds_queries = slabs == 1;
    // Of a pair that is not seen, and of a row that has seen none: finite, so that their difference is a number.
    constexpr float hidden = -1e38f, nothing = -1e30f;
    DYNAMIC_SHARED(bf16, shared);
    __shared__ __align__(16) int gathered[2][tile_keys];
    bf16 *query_tile = holds_queries ? shared : shared + 4 * tile_keys * width;

    const int head = blockIdx.y, thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
    // The longest first.
    const int block = gridDim.x - 1 - blockIdx.x, first = block * rows;
    const int words = bitmap_words(n);
    SparsePattern pattern;
    pattern.n = n;
    pattern.diagonals = bits + 3LL * head * words;
    pattern.columns = pattern.diagonals + words;
    pattern.covered = pattern.columns + words;
    columns += static_cast<long long>(head) * column_capacity;
    tiles += static_cast<long long>(head) * tile_capacity;
    const int *list = nullptr;
    if (specs[4 * head] == kind_blocks)
        list = listed + (static_cast<long long>(specs[4 * head + 1]) * gridDim.x + block) * listed_capacity;
    const Tiles plan = tiles_of(first, rows, n, tiles, counts[2 * head + 1], columns, counts[2 * head], list, listed_capacity);
    queries += head * query_head;
    keys += head / group * key_head;
    values += head / group * value_head;
    output += head * output_head;

    for (int piece = thread; piece < rows * pieces; piece += threads) {
        const int row = piece / pieces, at = piece % pieces;
        const bool is_row = first + row < n;
        copy_async_16(query_tile + place<width>(row, at),
                      queries + (is_row ? first + row : 0) * query_row + at * 8, is_row);
    }
    copy_async_commit();
    unsigned held[holds_queries ? steps : 1][4];
    if constexpr (holds_queries) {
        copy_async_wait<0>();
        __syncthreads();
#pragma unroll
        for (int step = 0; step < steps; ++step)
            load_matrix_x4(held[step], query_tile + place<width>(warp * 16 + lane % 16, 2 * step + lane / 16));
        __syncthreads();
    }

    const bool gathers = !plan.is_whole && !plan.is_listed;
    /// First column of a tile of neighbours.
    auto start_of = [&](int tile) {
        if (plan.is_whole) return tile * tile_keys;
        if (plan.is_listed) return tile < plan.diagonals ? list[tile] * tile_keys : first;
        return first - tiles[plan.from + tile];
    };
    auto is_gathered = [&](int tile) { return gathers && tile >= plan.diagonals; };
    auto fetch = [&](int tile) {
        bf16 *key_tile = shared + tile % 2 * 2 * tile_keys * width;
        const bool gather = is_gathered(tile);
        const int base = gather ? (tile - plan.diagonals) * tile_keys : start_of(tile);
        if (gather && thread < tile_keys) {
            const int place = base + thread;
            int column = place < plan.columns ? columns[place] : n;
            // A tile of the diagonals has shown it.
            if (column < n && pattern.is_covered(first - column)) column = n;
            gathered[tile % 2][thread] = column < n ? column : 0x7FFFFFFF;
        }
        // Every round of a thread copies the same piece of a row further down.
        constexpr int stride = threads / pieces;
        static_assert(stride % 8 == 0, "rows of one thread shift alike");
        const int own_row = thread / pieces, own_piece = thread % pieces * 8;
        bf16 *key_target = key_tile + place<width>(own_row, thread % pieces);
        bf16 *value_target = key_target + tile_keys * width;
#pragma unroll 1
        for (int row = own_row; row < tile_keys; row += stride) {
            int column = base + row;
            bool is_column = gather ? column < plan.columns : column >= 0 && column < n;
            if (gather && is_column) column = columns[column];
            if (!is_column) column = 0;
            copy_async_16(key_target, keys + column * key_row + own_piece, is_column);
            copy_async_16(value_target, values + column * value_row + own_piece, is_column);
            key_target += stride * width;
            value_target += stride * width;
        }
    };

    const int query_place = place<width>(warp * slabs * 16 + lane % 16, lane / 16);
    float result[slabs][width / 8][4] = {};
    float most[slabs][2], sum[slabs][2];
#pragma unroll
    for (int slab = 0; slab < slabs; ++slab) {
        most[slab][0] = most[slab][1] = nothing;
        sum[slab][0] = sum[slab][1] = 0;
    }
    const int row_in_tile = lane / 4, column_in_tile = lane % 4 * 2;
    const int warp_first = first + warp * slabs * 16;

    fetch(0);
    copy_async_commit();
    for (int tile = 0; tile < plan.total; ++tile) {
        if (tile + 1 < plan.total) fetch(tile + 1);
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        // A step of two pieces flips bits of the place in its row.
        const int stage = tile % 2 * 2 * tile_keys * width;
        const int key_place = stage + place<width>(lane / 16 * 8 + lane % 8, lane / 8 % 2);
        const int value_place = stage + tile_keys * width + place<width>(lane % 16, lane / 16);

        // Rows times keys.
        float logits[slabs][tile_keys / 8][4] = {};
#pragma unroll
        for (int step = 0; step < steps; ++step) {
            unsigned asked[slabs][4];
#pragma unroll
            for (int slab = 0; slab < slabs; ++slab) {
                if constexpr (holds_queries) {
#pragma unroll
                    for (int i = 0; i < 4; ++i) asked[slab][i] = held[step][i];
                } else {
                    load_matrix_x4(asked[slab], query_tile + (query_place ^ step * 16) + slab * 16 * width);
                }
            }
#pragma unroll
            for (int pair = 0; pair < tile_keys / 16; ++pair) {
                unsigned key[4];
                load_matrix_x4(key, shared + (key_place ^ step * 16) + pair * 16 * width);
                const unsigned low[2] = {key[0], key[1]}, high[2] = {key[2], key[3]};
#pragma unroll
                for (int slab = 0; slab < slabs; ++slab) {
                    mma_bf16_16x8x16(logits[slab][2 * pair], asked[slab], low);
                    mma_bf16_16x8x16(logits[slab][2 * pair + 1], asked[slab], high);
                }
            }
        }

        // Pairs that are not seen.
        if (is_gathered(tile)) {
#pragma unroll
            for (int part = 0; part < tile_keys / 8; ++part) {
                const int low = gathered[tile % 2][part * 8 + column_in_tile];
                const int high = gathered[tile % 2][part * 8 + column_in_tile + 1];
#pragma unroll
                for (int slab = 0; slab < slabs; ++slab) {
                    const int row = warp_first + slab * 16 + row_in_tile;
                    if (low > row) logits[slab][part][0] = hidden;
                    if (high > row) logits[slab][part][1] = hidden;
                    if (low > row + 8) logits[slab][part][2] = hidden;
                    if (high > row + 8) logits[slab][part][3] = hidden;
                }
            }
        } else {
            const int start = start_of(tile);
            const unsigned long long exists = start < 0 ? ~0ULL << -start : ~0ULL;
            const unsigned long long chosen = pattern.chosen(start) & exists;
#pragma unroll
            for (int slab = 0; slab < slabs; ++slab) {
                const int row = warp_first + slab * 16 + row_in_tile;
                const unsigned long long upper = pattern.seen(row, start, chosen) & exists;
                const unsigned long long lower = pattern.seen(row + 8, start, chosen) & exists;
                if (__ballot_sync(0xFFFFFFFFu, (upper & lower) == ~0ULL) == 0xFFFFFFFFu) continue;
                const unsigned long long mine = upper >> column_in_tile, below = lower >> column_in_tile;
#pragma unroll
                for (int part = 0; part < tile_keys / 8; ++part) {
                    if ((mine >> part * 8 & 1) == 0) logits[slab][part][0] = hidden;
                    if ((mine >> (part * 8 + 1) & 1) == 0) logits[slab][part][1] = hidden;
                    if ((below >> part * 8 & 1) == 0) logits[slab][part][2] = hidden;
                    if ((below >> (part * 8 + 1) & 1) == 0) logits[slab][part][3] = hidden;
                }
            }
        }

        // Running softmax; rows 0 and 1 of a thread are its upper and its lower one.
#pragma unroll
        for (int slab = 0; slab < slabs; ++slab) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float highest = most[slab][half];
#pragma unroll
                for (int part = 0; part < tile_keys / 8; ++part)
                    highest = fmaxf(highest, fmaxf(logits[slab][part][2 * half], logits[slab][part][2 * half + 1]));
                highest = fmaxf(highest, __shfl_xor_sync(0xFFFFFFFFu, highest, 1));
                highest = fmaxf(highest, __shfl_xor_sync(0xFFFFFFFFu, highest, 2));
                const float shrink = exp2_approximate((most[slab][half] - highest) * scale);
                const float offset = highest * scale;
                most[slab][half] = highest;
                float added = 0;
#pragma unroll
                for (int part = 0; part < tile_keys / 8; ++part) {
#pragma unroll
                    for (int i = 0; i < 2; ++i) {
                        float &logit = logits[slab][part][2 * half + i];
                        logit = exp2_approximate(logit * scale - offset);
                        added += logit;
                    }
                }
                sum[slab][half] = sum[slab][half] * shrink + added;
#pragma unroll
                for (int part = 0; part < width / 8; ++part) {
                    result[slab][part][2 * half] *= shrink;
                    result[slab][part][2 * half + 1] *= shrink;
                }
            }
        }

        // Weights times values.
#pragma unroll
        for (int step = 0; step < tile_keys / 16; ++step) {
            unsigned weights[slabs][4];
#pragma unroll
            for (int slab = 0; slab < slabs; ++slab) {
                const float(&near)[4] = logits[slab][2 * step], (&far)[4] = logits[slab][2 * step + 1];
                weights[slab][0] = pack_bf16(near[0], near[1]);
                weights[slab][1] = pack_bf16(near[2], near[3]);
                weights[slab][2] = pack_bf16(far[0], far[1]);
                weights[slab][3] = pack_bf16(far[2], far[3]);
            }
#pragma unroll
            for (int pair = 0; pair < width / 16; ++pair) {
                unsigned value[4];
                load_matrix_x4_transposed(value, shared + (value_place ^ pair * 16) + step * 16 * width);
                const unsigned low[2] = {value[0], value[1]}, high[2] = {value[2], value[3]};
#pragma unroll
                for (int slab = 0; slab < slabs; ++slab) {
                    mma_bf16_16x8x16(result[slab][2 * pair], weights[slab], low);
                    mma_bf16_16x8x16(result[slab][2 * pair + 1], weights[slab], high);
                }
            }
        }
        __syncthreads();
    }
    copy_async_wait<0>();

#pragma unroll
    for (int slab = 0; slab < slabs; ++slab) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float total = sum[slab][half];
            total += __shfl_xor_sync(0xFFFFFFFFu, total, 1);
            total += __shfl_xor_sync(0xFFFFFFFFu, total, 2);
            const float inverse = total > 0 ? 1 / total : 0;
            const int row = warp_first + slab * 16 + half * 8 + row_in_tile;
            if (row >= n) continue;
            bf16 *target = output + row * output_row + column_in_tile;
#pragma unroll
            for (int part = 0; part < width / 8; ++part)
                *reinterpret_cast<unsigned *>(target + part * 8) =
                    pack_bf16(result[slab][part][2 * half] * inverse, result[slab][part][2 * half + 1] * inverse);
        }
    }
}

#define SPARSE_ATTENTION(rows, width, warps, slabs, blocks)                                                            \
    extern "C" __global__ void __launch_bounds__(warps * 32, blocks) sparse_attention_##rows##x##width(                \
        const bf16 *queries, const bf16 *keys, const bf16 *values, bf16 *output, const int *specs, const int *listed,  \
        int listed_capacity, const unsigned *bits, const int *columns, int column_capacity, const int *tiles,          \
        int tile_capacity, const int *counts, int group, int n, long long query_head, long long query_row,             \
        long long key_head, long long key_row, long long value_head, long long value_row, long long output_head,       \
        long long output_row, float scale) {                                                                           \
        sparse_attention<width, warps, slabs>(                                                                         \
            queries, keys, values, output, specs, listed, listed_capacity, bits, columns, column_capacity, tiles,      \
            tile_capacity, counts, group, n, query_head, query_row, key_head, key_row, value_head, value_row,          \
            output_head, output_row, scale);                                                                           \
    }

SPARSE_ATTENTION(64, 64, 4, 1, 3)
SPARSE_ATTENTION(64, 128, 4, 1, 3)
SPARSE_ATTENTION(128, 64, 4, 2, 2)
SPARSE_ATTENTION(128, 128, 4, 2, 2)
