// Cache entries to four and two bits: the same codes, zero points, steps and channel scales as the plain operators of
// SparsePrefill's CompressedEntries, in three launches.
//
// A part is a set of KV heads that is quantised together: all heads, or one. `order` [parts, tokens] lists its tokens,
// the salient ones first; they are its first group, in four bits, the others the second, in two. `positions`, which the
// rotated bias needs, are listed in the same order.

/// Above this the parameters of a group are stored as bfloat16, else as float16.
constexpr float largest_half = 60000.0f;
/// float16's smallest positive value: no stored step and no scale is smaller.
constexpr float smallest_step = 5.9604644775390625e-8f;
constexpr int range_tokens = 256;

/// Flags of a part, 1 for bfloat16: channel scales; keys and values of the first group, of the second.
constexpr int flag_scale = 0, flag_keys = 1, flag_values = 3, flags_of_part = 5;

__device__ __forceinline__ unsigned short parameter_bits(float x, bool is_brain) {
    return is_brain ? from_float<bf16>(x).bits : float_to_half(x);
}
__device__ __forceinline__ float parameter(unsigned short bits, bool is_brain) {
    return is_brain ? to_float(bf16{bits}) : half_to_float(bits);
}
__device__ __forceinline__ float nearest(float x, bool is_brain) { return parameter(parameter_bits(x, is_brain), is_brain); }

/// The nearest stored value where it is not above x, else one that is below.
__device__ __forceinline__ float stored_below(float x, bool is_brain) {
    const float near = nearest(x, is_brain);
    const float gap = fabsf(x) * (is_brain ? 0.0078125f : 0.0009765625f) + smallest_step;
    return near <= x ? near : nearest(x - gap, is_brain);
}
/// The step of a grid of `levels` + 1 points from `low` to `high`.
__device__ __forceinline__ float stored_step(float low, float high, float levels, bool is_brain) {
    return fmaxf(smallest_step, -stored_below(-((high - low) / levels), is_brain));
}
__device__ __forceinline__ unsigned code(float x, float low, float step, float levels) {
    return static_cast<unsigned>(fminf(fmaxf(rintf((x - low) / step), 0.0f), levels));
}

/// A product that is rounded before it is added: the plain operators know no fused one.
__device__ __forceinline__ float product(float a, float b) { return __fmul_rn(a, b); }

/// What is taken off a key: the projection's bias, rotated to the token's position, 8 channels at a time.
struct RotatedBias {
    float own[8], turned[8];

    /// bias float32 [heads, width]; `channel` is the first of the eight.
    __device__ __forceinline__ void load(const float *bias, int head, int width, int channel) {
        const int half = width / 2;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const int c = channel + i;
            own[i] = bias == nullptr ? 0 : bias[head * width + c];
            turned[i] = bias == nullptr ? 0 : c < half ? -bias[head * width + c + half] : bias[head * width + c - half];
        }
    }

    /// Eight keys less their bias; tables [positions, width].
    __device__ __forceinline__ void subtract(float (&key)[8], const bf16 *cosine, const bf16 *sine) const {
        const Pack<bf16> c = load_pack(cosine), s = load_pack(sine);
#pragma unroll
        for (int i = 0; i < 8; ++i)
            key[i] = key[i] - (product(own[i], to_float(c.values[i])) + product(turned[i], to_float(s.values[i])));
    }
};

__device__ __forceinline__ void load_floats(float (&x)[8], const bf16 *source) {
    const Pack<bf16> pack = load_pack(source);
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = to_float(pack.values[i]);
}

/// Smallest and largest key and largest magnitude of a value, for each channel over up to 256 tokens of one group.
///
/// Grid (chunks, heads). ranges [heads, chunks, 3, width]: a group's chunks follow each other, the first group's first.
KERNEL(256) kv_ranges(const bf16 *keys, const bf16 *values, const int *order, const int *salient_counts,
                      const int *positions, const bf16 *cosine, const bf16 *sine, const float *bias, float *ranges,
                      int tokens, int heads_of_part, int width, long long key_head, long long key_row,
                      long long value_head, long long value_row) {
    constexpr int threads = 256;
    DYNAMIC_SHARED(float, shared);  // [3][rows][width]
    const int head = blockIdx.y, part = head / heads_of_part, thread = threadIdx.x;
    const int salient = salient_counts[part];
    const int salient_chunks = (salient + range_tokens - 1) / range_tokens;
    const bool is_salient = static_cast<int>(blockIdx.x) < salient_chunks;
    const int group_first = is_salient ? 0 : salient, group_end = is_salient ? salient : tokens;
    const int first = group_first + (blockIdx.x - (is_salient ? 0 : salient_chunks)) * range_tokens;
    const int end = min(first + range_tokens, group_end);
    if (first >= end) return;

    const int pieces = width / 8, rows = threads / pieces, row = thread / pieces, channel = thread % pieces * 8;
    order += static_cast<long long>(part) * tokens;
    positions += static_cast<long long>(part) * tokens;
    keys += head * key_head + channel;
    values += head * value_head + channel;
    RotatedBias rotated;
    rotated.load(bias, head, width, channel);
    float low[8], high[8], largest[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        low[i] = 3.4e38f;
        high[i] = -3.4e38f;
        largest[i] = 0;
    }
    for (int place = first + row; place < end; place += rows) {
        const int token = order[place];
        float key[8], value[8];
        load_floats(key, keys + token * key_row);
        load_floats(value, values + token * value_row);
        if (bias != nullptr) {
            const long long at = static_cast<long long>(positions[place]) * width + channel;
            rotated.subtract(key, cosine + at, sine + at);
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            low[i] = fminf(low[i], key[i]);
            high[i] = fmaxf(high[i], key[i]);
            largest[i] = fmaxf(largest[i], fabsf(value[i]));
        }
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        shared[row * width + channel + i] = low[i];
        shared[(rows + row) * width + channel + i] = high[i];
        shared[(2 * rows + row) * width + channel + i] = largest[i];
    }
    __syncthreads();
    ranges += (static_cast<long long>(head) * gridDim.x + blockIdx.x) * 3 * width;
    for (int c = thread; c < width; c += threads) {
        float least = shared[c], most = shared[rows * width + c], magnitude = shared[2 * rows * width + c];
        for (int other = 1; other < rows; ++other) {
            least = fminf(least, shared[other * width + c]);
            most = fmaxf(most, shared[(rows + other) * width + c]);
            magnitude = fmaxf(magnitude, shared[(2 * rows + other) * width + c]);
        }
        ranges[c] = least;
        ranges[width + c] = most;
        ranges[2 * width + c] = magnitude;
    }
}

/// One block a part: channel scales, the grids of the keys, and in which type each group's parameters are stored.
///
/// totals [heads, 6, width] is scratch: smallest and largest key and largest value of the first group, of the second.
/// scales [parts, heads width]; key_grids [parts, 2 groups, zero and step, heads width]; flags [parts, 5].
KERNEL(512) kv_grids(const float *ranges, const int *salient_counts, float *totals, unsigned short *scales,
                     unsigned short *key_grids, int *flags, int tokens, int chunks, int heads_of_part, int width) {
    constexpr int threads = 512;
    const int part = blockIdx.x, channels = heads_of_part * width;
    const int salient = salient_counts[part];
    const int salient_chunks = (salient + range_tokens - 1) / range_tokens;
    const int all_chunks = salient_chunks + (tokens - salient + range_tokens - 1) / range_tokens;
    totals += static_cast<long long>(part) * 6 * channels;
    scales += part * channels;
    key_grids += part * 4 * channels;
    flags += part * flags_of_part;

    float largest_value = 0, largest_key[2] = {0, 0};
    for (int index = threadIdx.x; index < channels; index += threads) {
        const int head = index / width, channel = index % width;
        const float *range = ranges + (static_cast<long long>(part) * heads_of_part + head) * chunks * 3 * width + channel;
#pragma unroll
        for (int group = 0; group < 2; ++group) {
            const int from = group == 0 ? 0 : salient_chunks, until = group == 0 ? salient_chunks : all_chunks;
            float low = 3.4e38f, high = -3.4e38f, magnitude = 0;
#pragma unroll 4
            for (int chunk = from; chunk < until; ++chunk) {
                low = fminf(low, range[chunk * 3LL * width]);
                high = fmaxf(high, range[chunk * 3LL * width + width]);
                magnitude = fmaxf(magnitude, range[chunk * 3LL * width + 2 * width]);
            }
            totals[(3 * group) * channels + index] = low;
            totals[(3 * group + 1) * channels + index] = high;
            totals[(3 * group + 2) * channels + index] = magnitude;
            largest_value = fmaxf(largest_value, magnitude);
            if (from < until) largest_key[group] = fmaxf(largest_key[group], fmaxf(fabsf(low), fabsf(high)));
        }
    }
    const bool scale_is_brain = !(sqrtf(block_max<threads>(largest_value)) < largest_half);
    const bool keys_are_brain[2] = {!(block_max<threads>(largest_key[0]) < largest_half),
                                    !(block_max<threads>(largest_key[1]) < largest_half)};
    float largest_even[2] = {0, 0};
    for (int index = threadIdx.x; index < channels; index += threads) {
        const float magnitudes[2] = {totals[2 * channels + index], totals[5 * channels + index]};
        const float root = sqrtf(fmaxf(magnitudes[0], magnitudes[1]));
        const float scale = fmaxf(smallest_step, nearest(root, scale_is_brain));
        scales[index] = parameter_bits(scale, scale_is_brain);
#pragma unroll
        for (int group = 0; group < 2; ++group) {
            // Division keeps the order: the largest quotient is that of the largest magnitude.
            largest_even[group] = fmaxf(largest_even[group], magnitudes[group] / scale);
            const bool is_brain = keys_are_brain[group];
            const float low = stored_below(totals[(3 * group) * channels + index], is_brain);
            const float high = totals[(3 * group + 1) * channels + index];
            const float step = stored_step(low, high, group == 0 ? 15.0f : 3.0f, is_brain);
            key_grids[(2 * group) * channels + index] = parameter_bits(low, is_brain);
            key_grids[(2 * group + 1) * channels + index] = parameter_bits(step, is_brain);
        }
    }
    const bool values_are_brain[2] = {!(block_max<threads>(largest_even[0]) < largest_half),
                                      !(block_max<threads>(largest_even[1]) < largest_half)};
    if (threadIdx.x == 0) {
        flags[flag_scale] = scale_is_brain;
        for (int group = 0; group < 2; ++group) {
            flags[flag_keys + group] = keys_are_brain[group];
            flags[flag_values + group] = values_are_brain[group];
        }
    }
}

/// Eight codes of a group, the first in the lowest bits.
__device__ __forceinline__ void store_codes(unsigned char *target, long long index, const unsigned (&codes)[8],
                                            bool is_salient) {
    unsigned packed = 0;
    if (is_salient) {
#pragma unroll
        for (int i = 0; i < 8; ++i) packed |= codes[i] << (4 * i);
        *reinterpret_cast<unsigned *>(target + index / 2) = packed;
    } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) packed |= codes[i] << (2 * i);
        *reinterpret_cast<unsigned short *>(target + index / 4) = static_cast<unsigned short>(packed);
    }
}

/// One warp a token, grid (tokens / 8, parts): the grid of its values over all channels of the part, and all codes.
///
/// key_codes, value_codes: part after part, in each the first group [heads, tokens, width], then the second.
/// value_grids [parts, zero and step, tokens], in the order of `order`.
KERNEL(256) kv_encode(const bf16 *keys, const bf16 *values, const int *order, const int *salient_counts,
                      const long long *part_starts, const int *positions, const bf16 *cosine, const bf16 *sine,
                      const float *bias, const unsigned short *scales, const unsigned short *key_grids,
                      const int *flags, unsigned char *key_codes, unsigned char *value_codes,
                      unsigned short *value_grids, int tokens, int heads_of_part, int width, long long key_head,
                      long long key_row, long long value_head, long long value_row) {
    const int part = blockIdx.y, lane = threadIdx.x % 32, place = blockIdx.x * 8 + threadIdx.x / 32;
    if (place >= tokens) return;
    const int salient = salient_counts[part], channels = heads_of_part * width, pieces = channels / 8;
    const bool is_salient = place < salient;
    const int group = is_salient ? 0 : 1, token = order[static_cast<long long>(part) * tokens + place];
    const int group_tokens = is_salient ? salient : tokens - salient, place_in_group = is_salient ? place : place - salient;
    const float levels = is_salient ? 15.0f : 3.0f;
    flags += part * flags_of_part;
    const bool scale_is_brain = flags[flag_scale] != 0, keys_are_brain = flags[flag_keys + group] != 0;
    const bool values_are_brain = flags[flag_values + group] != 0;
    scales += part * channels;
    key_grids += (part * 4 + 2 * group) * channels;
    keys += part * heads_of_part * key_head + token * key_row;
    values += part * heads_of_part * value_head + token * value_row;
    const long long start = part_starts[part] + (is_salient ? 0 : static_cast<long long>(salient) * channels / 2);
    const long long at =
        bias == nullptr ? 0 : static_cast<long long>(positions[static_cast<long long>(part) * tokens + place]) * width;

    auto load_even = [&](float(&even)[8], int head, int channel) {
        load_floats(even, values + head * value_head + channel);
#pragma unroll
        for (int i = 0; i < 8; ++i) even[i] = even[i] / parameter(scales[head * width + channel + i], scale_is_brain);
    };
    float low = 3.4e38f, high = -3.4e38f;
    for (int piece = lane; piece < pieces; piece += 32) {
        float even[8];
        load_even(even, piece * 8 / width, piece * 8 % width);
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            low = fminf(low, even[i]);
            high = fmaxf(high, even[i]);
        }
    }
    high = warp_max(high);
    low = stored_below(-warp_max(-low), values_are_brain);
    const float step = stored_step(low, high, levels, values_are_brain);
    if (lane == 0) {
        value_grids += static_cast<long long>(part) * 2 * tokens;
        value_grids[place] = parameter_bits(low, values_are_brain);
        value_grids[tokens + place] = parameter_bits(step, values_are_brain);
    }

    for (int piece = lane; piece < pieces; piece += 32) {
        const int head = piece * 8 / width, channel = piece * 8 % width;
        const long long index = (static_cast<long long>(head) * group_tokens + place_in_group) * width + channel;
        float x[8];
        unsigned codes[8];
        load_even(x, head, channel);
#pragma unroll
        for (int i = 0; i < 8; ++i) codes[i] = code(x[i], low, step, levels);
        store_codes(value_codes + start, index, codes, is_salient);

        load_floats(x, keys + head * key_head + channel);
        if (bias != nullptr) {
            RotatedBias rotated;
            rotated.load(bias, part * heads_of_part + head, width, channel);
            rotated.subtract(x, cosine + at + channel, sine + at + channel);
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const int c = head * width + channel + i;
            codes[i] = code(x[i], parameter(key_grids[c], keys_are_brain),
                            parameter(key_grids[channels + c], keys_are_brain), levels);
        }
        store_codes(key_codes + start, index, codes, is_salient);
    }
}
