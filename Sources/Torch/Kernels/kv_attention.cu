// One query token over cache entries in four and two bits (kv_pack.cu) and the recent ones in 16: nothing is expanded.
//
// A key's grids belong to its channels, so they are multiplied into the query once a block: a score is then a sum of
// codes. The rotated bias that keys are stored without is a sum over its angles' cosines and sines. Blocks of 128
// entries leave sums relative to their own largest score; a second kernel joins them.

constexpr int task_tokens = 128;

/// Where a group of entries stands: addresses and counts, 16 numbers each.
constexpr int segment_key_codes = 0, segment_value_codes = 1, segment_key_grids = 2, segment_scales = 3,
              segment_value_zeros = 4, segment_value_steps = 5, segment_positions = 6, segment_flags = 7,
              segment_tokens = 8, segment_bits = 9, segment_head = 10, segment_heads = 11, segment_group = 12,
              segment_size = 16;
/// Flags of a part, 1 for bfloat16: channel scales; keys and values of the first group, of the second.
constexpr int flag_scale = 0, flag_keys = 1, flag_values = 3;

__device__ __forceinline__ float parameter(unsigned short bits, bool is_brain) {
    return is_brain ? to_float(bf16{bits}) : half_to_float(bits);
}

/// A small whole number as a float: its bits below those of 2^23.
__device__ __forceinline__ float small_number(unsigned code) { return __uint_as_float(0x4B000000u | code) - 8388608.0f; }

/// Adds 128 / bits codes of a key, times what `asked` holds for their channels.
template <int bits, int group, int width>
__device__ __forceinline__ void add_codes(float (&score)[group], const uint4 &raw, const float (&asked)[group][width],
                                          int channel) {
    const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int word = 0; word < 4; ++word) {
#pragma unroll
        for (int i = 0; i < 32 / bits; i += 4) {
            float x[4];
#pragma unroll
            for (int k = 0; k < 4; ++k) x[k] = small_number(words[word] >> ((i + k) * bits) & ((1u << bits) - 1));
#pragma unroll
            for (int g = 0; g < group; ++g) {
                const Pack<float> q = load_pack(&asked[g][channel + word * (32 / bits) + i]);
                score[g] += q.values[0] * x[0] + q.values[1] * x[1] + q.values[2] * x[2] + q.values[3] * x[3];
            }
        }
    }
}

/// Adds eight elements of a row, times what `asked` holds for them.
template <int group, int width>
__device__ __forceinline__ void add_row(float (&score)[group], const bf16 *row, const float (&asked)[group][width],
                                        int channel) {
    const Pack<bf16> x = load_pack(row);
#pragma unroll
    for (int g = 0; g < group; ++g) {
#pragma unroll
        for (int i = 0; i < 8; ++i) score[g] += asked[g][channel + i] * to_float(x.values[i]);
    }
}

/// One block a task, and one a KV head for the recent entries, which come after the tasks.
///
/// segments [any, 16]; tasks [task_count, 3]: segment, KV head, first entry. queries [heads, width];
/// bias float32 [KV heads, width] or null; cosine, sine [positions, width]; recent entries [KV heads, any, width].
/// partials [task_count + KV heads, heads of a KV head, width + 2]: sums, largest score, sum of weights.
template <int width, int group>
__device__ __forceinline__ void kv_attention(
    const long long *segments, const int *tasks, int task_count, const bf16 *queries, const float *bias,
    const bf16 *cosine, const bf16 *sine, const bf16 *recent_keys, const bf16 *recent_values, int recent,
    long long key_head, long long key_row, long long value_head, long long value_row, int heads, float scale,
    float *partials) {
    constexpr int threads = 128, half = width / 2, pieces = width / 8;
    constexpr float nothing = -1e30f;
    __shared__ __align__(16) float asked[group][width], angles[group][width], weights[group][task_tokens];
    __shared__ float constants[group], most[group], sums[group], parts[4][group][width];

    const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32, task = blockIdx.x;
    const bool is_packed = task < task_count;
    const long long *segment = segments + (is_packed ? segment_size * tasks[3 * task] : 0);
    const int head = is_packed ? tasks[3 * task + 1] : task - task_count;
    const int first = is_packed ? tasks[3 * task + 2] : 0;
    const int count = is_packed ? min(task_tokens, static_cast<int>(segment[segment_tokens]) - first) : recent;
    const int bits = is_packed ? static_cast<int>(segment[segment_bits]) : 16;
    const int part_heads = is_packed ? static_cast<int>(segment[segment_heads]) : 0;
    const int part_head = is_packed ? head - static_cast<int>(segment[segment_head]) : 0;
    const int *flags = is_packed ? reinterpret_cast<const int *>(segment[segment_flags]) : nullptr;
    const int part = is_packed ? static_cast<int>(segment[segment_group]) : 0;
    const bool has_bias = is_packed && bias != nullptr;

    // The query, times the steps of the keys' channels.
    const unsigned short *grids =
        is_packed ? reinterpret_cast<const unsigned short *>(segment[segment_key_grids]) + part_head * width : nullptr;
    const bool keys_are_brain = is_packed && flags[flag_keys + part] != 0;
    for (int index = thread; index < group * width; index += threads) {
        const int g = index / width, c = index % width;
        const float q = g < heads ? to_float(queries[(head * heads + g) * width + c]) * scale : 0;
        asked[g][c] = is_packed ? q * parameter(grids[part_heads * width + c], keys_are_brain) : q;
    }
    if (has_bias) {
        // The bias turned by an angle: its cosine times one product of query and bias, its sine times another.
        for (int index = thread; index < group * half; index += threads) {
            const int g = index / half, c = index % half;
            float along = 0, across = 0;
            if (g < heads) {
                const bf16 *query = queries + (head * heads + g) * width;
                const float low = to_float(query[c]) * scale, high = to_float(query[c + half]) * scale;
                const float bias_low = bias[head * width + c], bias_high = bias[head * width + c + half];
                along = low * bias_low + high * bias_high;
                across = high * bias_low - low * bias_high;
            }
            angles[g][c] = along;
            angles[g][half + c] = across;
        }
    }
    for (int g = warp; g < group; g += 4) {
        float sum = 0;
        if (is_packed && g < heads) {
            for (int c = lane; c < width; c += 32)
                sum += to_float(queries[(head * heads + g) * width + c]) * parameter(grids[c], keys_are_brain);
        }
        sum = warp_sum(sum);
        if (lane == 0) constants[g] = sum * scale;
    }
    __syncthreads();

    // A thread's entry against all queries.
    float score[group];
#pragma unroll
    for (int g = 0; g < group; ++g) score[g] = constants[g];
    if (thread < count) {
        const long long row = is_packed ? static_cast<long long>(part_head) * segment[segment_tokens] + first + thread : 0;
        const unsigned char *codes = reinterpret_cast<const unsigned char *>(is_packed ? segment[segment_key_codes] : 0);
        if (bits == 4) {
            const uint4 *source = reinterpret_cast<const uint4 *>(codes + row * (width / 2));
#pragma unroll 1
            for (int piece = 0; piece < width / 32; ++piece) add_codes<4>(score, source[piece], asked, piece * 32);
        } else if (bits == 2) {
            const uint4 *source = reinterpret_cast<const uint4 *>(codes + row * (width / 4));
#pragma unroll 1
            for (int piece = 0; piece < width / 64; ++piece) add_codes<2>(score, source[piece], asked, piece * 64);
        } else {
            const bf16 *key = recent_keys + head * key_head + thread * key_row;
#pragma unroll 1
            for (int piece = 0; piece < pieces; ++piece) add_row(score, key + piece * 8, asked, piece * 8);
        }
        if (has_bias) {
            const int *positions = reinterpret_cast<const int *>(segment[segment_positions]);
            const long long at = static_cast<long long>(positions[first + thread]) * width;
#pragma unroll 1
            for (int c = 0; c < half; c += 8) {
                add_row(score, cosine + at + c, angles, c);
                add_row(score, sine + at + c, angles, half + c);
            }
        }
    }
#pragma unroll
    for (int g = 0; g < group; ++g) weights[g][thread] = thread < count ? score[g] : nothing;
    __syncthreads();
    for (int g = warp; g < group; g += 4) {
        float highest = nothing, sum = 0;
        for (int t = lane; t < task_tokens; t += 32) highest = fmaxf(highest, weights[g][t]);
        highest = warp_max(highest);
        for (int t = lane; t < task_tokens; t += 32) {
            const float weight = t < count ? exp2_approximate(weights[g][t] - highest) : 0;
            weights[g][t] = weight;
            sum += weight;
        }
        sum = warp_sum(sum);
        if (lane == 0) {
            most[g] = highest;
            sums[g] = sum;
        }
    }
    __syncthreads();

    // Weights times values: a thread's eight channels of every so many entries.
    float result[group][8] = {};
    const int channel = thread % pieces * 8;
    const bool values_are_brain = is_packed && flags[flag_values + part] != 0;
    const unsigned short *zeros = reinterpret_cast<const unsigned short *>(is_packed ? segment[segment_value_zeros] : 0);
    const unsigned short *steps = reinterpret_cast<const unsigned short *>(is_packed ? segment[segment_value_steps] : 0);
    const unsigned char *codes = reinterpret_cast<const unsigned char *>(is_packed ? segment[segment_value_codes] : 0);
    const long long base =
        is_packed ? (static_cast<long long>(part_head) * segment[segment_tokens] + first) * width + channel : 0;
    for (int t = thread / pieces; t < count; t += threads / pieces) {
        float value[8];
        if (is_packed) {
            const float zero = parameter(zeros[first + t], values_are_brain);
            const float step = parameter(steps[first + t], values_are_brain);
            const long long index = base + static_cast<long long>(t) * width;
            const unsigned packed = bits == 4 ? *reinterpret_cast<const unsigned *>(codes + index / 2)
                                              : *reinterpret_cast<const unsigned short *>(codes + index / 4);
            const unsigned mask = (1u << bits) - 1;
#pragma unroll
            for (int i = 0; i < 8; ++i) value[i] = zero + step * small_number(packed >> (i * bits) & mask);
        } else {
            const Pack<bf16> x = load_pack(recent_values + head * value_head + t * value_row + channel);
#pragma unroll
            for (int i = 0; i < 8; ++i) value[i] = to_float(x.values[i]);
        }
#pragma unroll
        for (int g = 0; g < group; ++g) {
            const float weight = weights[g][t];
#pragma unroll
            for (int i = 0; i < 8; ++i) result[g][i] += weight * value[i];
        }
    }
#pragma unroll
    for (int g = 0; g < group; ++g) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            float sum = result[g][i];
#pragma unroll
            for (int offset = 16; offset >= pieces; offset /= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, offset);
            if (lane < pieces) parts[warp][g][channel + i] = sum;
        }
    }
    __syncthreads();
    float *partial = partials + static_cast<long long>(task) * heads * (width + 2);
    const bool scale_is_brain = is_packed && flags[flag_scale] != 0;
    const unsigned short *scales =
        reinterpret_cast<const unsigned short *>(is_packed ? segment[segment_scales] : 0) + part_head * width;
    for (int index = thread; index < heads * width; index += threads) {
        const int g = index / width, c = index % width;
        const float sum = parts[0][g][c] + parts[1][g][c] + parts[2][g][c] + parts[3][g][c];
        partial[g * (width + 2) + c] = is_packed ? sum * parameter(scales[c], scale_is_brain) : sum;
    }
    if (thread < heads) {
        partial[thread * (width + 2) + width] = most[thread];
        partial[thread * (width + 2) + width + 1] = sums[thread];
    }
}

#define KV_ATTENTION(width, group)                                                                                     \
    extern "C" __global__ void __launch_bounds__(128) kv_attention_##width##x##group(                                  \
        const long long *segments, const int *tasks, int task_count, const bf16 *queries, const float *bias,           \
        const bf16 *cosine, const bf16 *sine, const bf16 *recent_keys, const bf16 *recent_values, int recent,          \
        long long key_head, long long key_row, long long value_head, long long value_row, int heads, float scale,      \
        float *partials) {                                                                                             \
        kv_attention<width, group>(segments, tasks, task_count, queries, bias, cosine, sine, recent_keys,              \
                                   recent_values, recent, key_head, key_row, value_head, value_row, heads, scale,      \
                                   partials);                                                                          \
    }

KV_ATTENTION(64, 1)
KV_ATTENTION(64, 2)
KV_ATTENTION(64, 4)
KV_ATTENTION(64, 8)
KV_ATTENTION(128, 1)
KV_ATTENTION(128, 2)
KV_ATTENTION(128, 4)
KV_ATTENTION(128, 7)
KV_ATTENTION(128, 8)

/// One block a query head: joins its tasks. task_ends [KV heads + 1]: a KV head's tasks follow each other.
KERNEL(512) kv_attention_join(const float *partials, const int *task_ends, int task_count, int recent, int heads,
                              int width, bf16 *output) {
    constexpr int threads = 512;
    __shared__ float parts[threads], weight_parts[threads];
    const int head = blockIdx.x / heads, g = blockIdx.x % heads;
    const int slices = threads / width, slice = threadIdx.x / width, channel = threadIdx.x % width;
    const int first = task_ends[head], own = task_ends[head + 1] - first, all = own + (recent > 0 ? 1 : 0);
    auto place = [&](int index) {
        const int task = index < own ? first + index : task_count + head;
        return partials + (static_cast<long long>(task) * heads + g) * (width + 2);
    };
    float highest = -1e30f;
    for (int index = threadIdx.x; index < all; index += threads) highest = fmaxf(highest, place(index)[width]);
    highest = block_max<threads>(highest);
    float sum = 0, weights = 0;
#pragma unroll 4
    for (int index = slice; index < all; index += slices) {
        const float *partial = place(index);
        const float weight = exp2_approximate(partial[width] - highest);
        sum += weight * partial[channel];
        weights += weight * partial[width + 1];
    }
    parts[threadIdx.x] = sum;
    weight_parts[threadIdx.x] = weights;
    __syncthreads();
    if (slice == 0) {
        for (int other = 1; other < slices; ++other) {
            sum += parts[other * width + channel];
            weights += weight_parts[other * width + channel];
        }
        output[blockIdx.x * width + channel] = from_float<bf16>(sum / weights);
    }
}
