// y = W x for one to eight sequences at once: the linear layers of a decoding step.
//
// A step reads every weight once, so what counts is that memory never rests: each thread keeps `stages` - 1 copies of its
// own 32 bytes of weights under way in shared memory, over the borders of tiles, and begins before the previous kernel's
// results are there. A tile is 16 rows; its columns are dealt to the warps of the block, and the tensor cores multiply it with
// eight sequences, present or not: a sequence gets the same bits alone and in a batch.
//
// The constants in capitals may be set in front of this file, to measure others.
//
// The columns within a block of 32 (64 in e4m3) are permuted alike in W and x, so that a lane's fragments of two products
// (four) are 16 bytes that lie side by side.

static constexpr int matvec_threads = 256;
static constexpr int matvec_warps = matvec_threads / 32;
#ifndef MATVEC_STAGES
#define MATVEC_STAGES 3
#endif
static constexpr int matvec_stages = MATVEC_STAGES;
/// 16 bytes of a row that a thread loads at a time: four threads make 64 neighbouring bytes of each.
#ifndef MATVEC_PIECES
#define MATVEC_PIECES 2
#endif
static constexpr int matvec_pieces = MATVEC_PIECES;
/// Neighbouring bytes that go from memory to the shared cache together.
#ifndef MATVEC_FETCH
#define MATVEC_FETCH 128
#endif
/// Whether the next kernel may begin at once, or only when a block has loaded all its weights: its own loads compete.
#ifndef MATVEC_EARLY
#define MATVEC_EARLY 0
#endif
static constexpr int matvec_sequences = 8;

enum class Epilogue {
    /// y = round(W x + bias)
    store,
    /// y = round(y + round(W x))
    add,
    /// y = round(round(silu(round(gate))) round(up)), gate and up stacked in W
    swiglu,
};

template <typename W> struct WeightLayout;
template <> struct WeightLayout<bf16> {
    static constexpr int lane_columns = 8;
    /// Keeps the eight rows of x in different banks.
    static constexpr int padding = 32;
    static constexpr float x_scale = 1, result_scale = 1;
};
template <> struct WeightLayout<e4m3> {
    static constexpr int lane_columns = 16;
    static constexpr int padding = 8;
    /// An e4m3 becomes a bfloat16 that is 2^112 times smaller, by moving its bits: x takes half of that.
    static constexpr float x_scale = 0x1p56f, result_scale = 0x1p56f;
};

/// Two e4m3 to two bfloat16, 2^-112 times their values.
__device__ __forceinline__ unsigned shrunken_bf16(unsigned pair) {
    unsigned halves = e4m3x2_to_f16x2(static_cast<unsigned short>(pair));
    return ((halves >> 3) & 0x0FFF0FFFu) | (halves & 0x80008000u);
}

__device__ __forceinline__ void multiply(float (&sums)[4], const uint4 (&w)[2], const bf16 *x, bool has_x, bf16) {
    uint4 v = has_x ? *reinterpret_cast<const uint4 *>(x) : make_uint4(0, 0, 0, 0);
    const unsigned a0[4] = {w[0].x, w[1].x, w[0].y, w[1].y}, b0[2] = {v.x, v.y};
    const unsigned a1[4] = {w[0].z, w[1].z, w[0].w, w[1].w}, b1[2] = {v.z, v.w};
    mma_bf16_16x8x16(sums, a0, b0);
    mma_bf16_16x8x16(sums, a1, b1);
}

__device__ __forceinline__ void multiply_four(float (&sums)[4], unsigned low, unsigned high, unsigned x0, unsigned x1) {
    const unsigned a[4] = {
        shrunken_bf16(low), shrunken_bf16(high), shrunken_bf16(low >> 16), shrunken_bf16(high >> 16)};
    const unsigned b[2] = {x0, x1};
    mma_bf16_16x8x16(sums, a, b);
}

__device__ __forceinline__ void multiply(float (&sums)[4], const uint4 (&w)[2], const bf16 *x, bool has_x, e4m3) {
    const uint4 *pieces = reinterpret_cast<const uint4 *>(x);
    uint4 first = has_x ? pieces[0] : make_uint4(0, 0, 0, 0);
    uint4 second = has_x ? pieces[1] : make_uint4(0, 0, 0, 0);
    multiply_four(sums, w[0].x, w[1].x, first.x, first.y);
    multiply_four(sums, w[0].y, w[1].y, first.z, first.w);
    multiply_four(sums, w[0].z, w[1].z, second.x, second.y);
    multiply_four(sums, w[0].w, w[1].w, second.z, second.w);
}

/// Columns that a block takes in one step.
template <typename W>
static constexpr int matvec_round = matvec_warps * 4 * WeightLayout<W>::lane_columns * matvec_pieces;
/// 16 bytes for each thread of the block.
static constexpr int matvec_stage = matvec_pieces * 2 * matvec_threads;

/// The tiles of one block, as its threads load them: ahead of what is computed.
template <typename W, Epilogue epilogue> struct WeightStream {
    const W *weight;
    int rows, columns, tiles;
    int column;  // of this thread's first 16 bytes in a row
    int steps;   // for each tile
    int tile, step;
    const W *row[2];
    bool exists[2];
    uint4 *slots;
    int slot;

    __device__ __forceinline__ void begin(const W *w, int r, int c, uint4 *shared) {
        constexpr int lane = WeightLayout<W>::lane_columns;
        weight = w, rows = r, columns = c;
        constexpr int tile_rows = epilogue == Epilogue::swiglu ? 8 : 16;
        tiles = ((epilogue == Epilogue::swiglu ? rows / 2 : rows) + tile_rows - 1) / tile_rows;
        steps = (columns + matvec_round<W> - 1) / matvec_round<W>;
        column = (threadIdx.x / 32) * 4 * lane * matvec_pieces + (threadIdx.x % 4) * lane;
        slots = shared + threadIdx.x, slot = 0;
        tile = blockIdx.x, step = 0;
        find_rows();
    }

    __device__ __forceinline__ void find_rows() {
        int group = threadIdx.x % 32 / 4;
        for (int half = 0; half < 2; ++half) {
            int index = epilogue == Epilogue::swiglu ? half * (rows / 2) + tile * 8 + group
                                                     : tile * 16 + half * 8 + group;
            int limit = epilogue == Epilogue::swiglu ? (half + 1) * (rows / 2) : rows;
            exists[half] = tile < tiles && index < limit;
            row[half] = weight + static_cast<long long>(exists[half] ? index : 0) * columns;
        }
    }

    __device__ __forceinline__ bool is_done() const { return tile >= tiles; }

    /// Starts the copies of the next step, or none behind the last tile; one group either way.
    __device__ __forceinline__ void load() {
        if (tile < tiles) {
#pragma unroll
            for (int piece = 0; piece < matvec_pieces; ++piece) {
                int at = column + step * matvec_round<W> + piece * 4 * WeightLayout<W>::lane_columns;
                bool inside = at < columns;
#pragma unroll
                for (int half = 0; half < 2; ++half)
                    copy_async_16_fetching<MATVEC_FETCH>(
                        slots + slot * matvec_stage + (piece * 2 + half) * matvec_threads,
                        row[half] + (inside ? at : 0), inside && exists[half]);
            }
            if (++step == steps) {
                step = 0;
                tile += gridDim.x;
                find_rows();
            }
        }
        copy_async_commit();
        if (++slot == matvec_stages) slot = 0;
    }
};

/// Packs that a thread loads before it uses the first: what x costs is round trips.
static constexpr int matvec_batch = 4;

/// 1 / rms of each sequence's row of x; the same order of sums whatever their number.
__device__ __forceinline__ void find_norms(float *norms, const bf16 *x, int columns, int sequences, float epsilon) {
    constexpr int stride = matvec_threads * 8;
    for (int sequence = 0; sequence < sequences; ++sequence) {
        const bf16 *row = x + static_cast<long long>(sequence) * columns;
        float sum = 0;
        for (int first = threadIdx.x * 8; first < columns; first += stride * matvec_batch) {
            Pack<bf16> packs[matvec_batch];
#pragma unroll
            for (int k = 0; k < matvec_batch; ++k)
                packs[k] = load_pack(row + (first + k * stride < columns ? first + k * stride : first));
#pragma unroll
            for (int k = 0; k < matvec_batch; ++k) {
                if (first + k * stride >= columns) break;
                for (int j = 0; j < 8; ++j) {
                    float value = to_float(packs[k].values[j]);
                    sum += value * value;
                }
            }
        }
        sum = block_sum<matvec_threads>(sum);
        if (threadIdx.x == 0) norms[sequence] = rsqrtf(sum / static_cast<float>(columns) + epsilon);
    }
    __syncthreads();
}

/// Columns from `start` on of every sequence into shared memory, normalised where there is a gain, zeros behind the last.
template <typename W, bool normalises>
__device__ __forceinline__ void stage(
    bf16 *staged, const bf16 *x, const bf16 *gain, const float *norms, int start, int width, int columns,
    int sequences) {
    int packs = width / 8, total = packs * sequences;
    for (int first = threadIdx.x; first < total; first += matvec_threads * matvec_batch) {
        Pack<bf16> values[matvec_batch], gains[matvec_batch];
        int sequence[matvec_batch], at[matvec_batch];
#pragma unroll
        for (int k = 0; k < matvec_batch; ++k) {
            int i = first + k * matvec_threads < total ? first + k * matvec_threads : first;
            sequence[k] = i / packs, at[k] = i % packs * 8;
            int column = start + at[k] < columns ? start + at[k] : 0;
            values[k] = load_pack(x + static_cast<long long>(sequence[k]) * columns + column);
            if (normalises) gains[k] = load_pack(gain + column);
        }
#pragma unroll
        for (int k = 0; k < matvec_batch; ++k) {
            if (first + k * matvec_threads >= total) break;
            Pack<bf16> &pack = values[k];
            bool exists = start + at[k] < columns;
            for (int j = 0; j < 8; ++j) {
                float value = to_float(pack.values[j]);
                if (normalises)
                    value = rounded<bf16>(to_float(gains[k].values[j]) * rounded<bf16>(value * norms[sequence[k]]));
                if (normalises || WeightLayout<W>::x_scale != 1)
                    pack.values[j] = from_float<bf16>(value * WeightLayout<W>::x_scale);
                if (!exists) pack.values[j] = bf16{0};
            }
            store_pack(staged + sequence[k] * (width + WeightLayout<W>::padding) + at[k], pack);
        }
    }
}

/// - rows: of W, two for each output of SwiGLU; columns: a multiple of 8 (16 in e4m3); width: columns of x in shared memory at
///   a time, a multiple of `matvec_round`.
template <typename W, bool normalises, Epilogue epilogue>
__device__ __forceinline__ void matvec(
    const W *weight, const float *scale, const bf16 *bias, const bf16 *x, const bf16 *gain, float epsilon, bf16 *y,
    int rows, int columns, int sequences, int width, const NextMatrix &next) {
    DYNAMIC_SHARED(uint4, shared);
    __shared__ float parts[matvec_warps][4][32];
    __shared__ float norms[matvec_sequences];
    bf16 *staged = reinterpret_cast<bf16 *>(shared + matvec_stages * matvec_stage);

    WeightStream<W, epilogue> stream;
    stream.begin(weight, rows, columns, shared);
    for (int i = 0; i < matvec_stages - 1; ++i) stream.load();
    if (MATVEC_EARLY) let_next_kernel_begin();
    wait_for_previous_kernels();
    if (normalises) find_norms(norms, x, columns, sequences, epsilon);

    constexpr int lane_columns = WeightLayout<W>::lane_columns;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    bool has_x = lane / 4 < sequences;
    const bf16 *own = staged + (has_x ? lane / 4 : 0) * (width + WeightLayout<W>::padding) + stream.column;
    bool is_staged = false, has_ended = false;
    int slot = 0;
    for (int tile = blockIdx.x; tile < stream.tiles; tile += gridDim.x) {
        float sums[4] = {0, 0, 0, 0};
        for (int start = 0; start < columns; start += width) {
            if (!is_staged) {
                __syncthreads();
                stage<W, normalises>(staged, x, gain, norms, start, width, columns, sequences);
                __syncthreads();
                is_staged = width >= columns;
            }
            int count = (min(width, columns - start) + matvec_round<W> - 1) / matvec_round<W>;
            for (int step = 0; step < count; ++step) {
                copy_async_wait<matvec_stages - 2>();
                uint4 w[matvec_pieces][2];
#pragma unroll
                for (int i = 0; i < matvec_pieces * 2; ++i)
                    w[i / 2][i % 2] = shared[slot * matvec_stage + i * matvec_threads + threadIdx.x];
                if (++slot == matvec_stages) slot = 0;
                stream.load();
                if (stream.is_done() && !has_ended) {
                    has_ended = true;
                    if (!MATVEC_EARLY) let_next_kernel_begin();
                    next.prefetch(blockIdx.x, gridDim.x);
                }
#pragma unroll
                for (int piece = 0; piece < matvec_pieces; ++piece)
                    multiply(
                        sums, w[piece], own + step * matvec_round<W> + piece * 4 * lane_columns, has_x, W{});
            }
        }
        __syncthreads();  // the last tile's sums are read
        for (int i = 0; i < 4; ++i) parts[warp][i][lane] = sums[i];
        __syncthreads();
        // Row r, sequence s of the tile stands in lane (r % 8) * 4 + s / 2, value r / 8 * 2 + s % 2.
        int sequence = threadIdx.x % 8, line = threadIdx.x / 8;
        if (sequence < sequences && line < (epilogue == Epilogue::swiglu ? 8 : 16)) {
            int source = line % 8 * 4 + sequence / 2, value = line / 8 * 2 + sequence % 2;
            float sum = 0, other = 0;
            for (int w = 0; w < matvec_warps; ++w) {
                sum += parts[w][value][source];
                if (epilogue == Epilogue::swiglu) other += parts[w][value + 2][source];
            }
            sum *= WeightLayout<W>::result_scale;
            if (epilogue == Epilogue::swiglu) {
                int outputs = rows / 2, index = tile * 8 + line;
                if (index < outputs) {
                    other *= WeightLayout<W>::result_scale;
                    if (scale) sum *= scale[index], other *= scale[outputs + index];
                    float gate = rounded<bf16>(sum), up = rounded<bf16>(other);
                    float opened = rounded<bf16>(gate / (1.0f + expf(-gate)));
                    y[static_cast<long long>(sequence) * outputs + index] = from_float<bf16>(opened * up);
                }
            } else {
                int index = tile * 16 + line;
                if (index < rows) {
                    if (scale) sum *= scale[index];
                    if (bias) sum += to_float(bias[index]);
                    bf16 *target = y + static_cast<long long>(sequence) * rows + index;
                    if (epilogue == Epilogue::add) sum = to_float(*target) + rounded<bf16>(sum);
                    *target = from_float<bf16>(sum);
                }
            }
        }
    }
}

#define MATVEC(name, W, normalises, epilogue)                                                                          \
    KERNEL(matvec_threads)                                                                                             \
    name(const W *weight, const float *scale, const bf16 *bias, const bf16 *x, const bf16 *gain, float epsilon,        \
         bf16 *y, int rows, int columns, int sequences, int width, NEXT_MATRIX_PARAMETERS) {                           \
        matvec<W, normalises, epilogue>(                                                                               \
            weight, scale, bias, x, gain, epsilon, y, rows, columns, sequences, width, NEXT_MATRIX);                   \
    }

/// y [B, rows] = W norm(x) + bias
MATVEC(matvec_norm_bf16, bf16, true, Epilogue::store)
MATVEC(matvec_norm_e4m3, e4m3, true, Epilogue::store)
/// y [B, rows] += W x
MATVEC(matvec_add_bf16, bf16, false, Epilogue::add)
MATVEC(matvec_add_e4m3, e4m3, false, Epilogue::add)
/// y [B, rows / 2] = SwiGLU(W norm(x))
MATVEC(matvec_swiglu_bf16, bf16, true, Epilogue::swiglu)
MATVEC(matvec_swiglu_e4m3, e4m3, true, Epilogue::swiglu)
