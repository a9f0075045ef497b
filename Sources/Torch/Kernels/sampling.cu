// The two ends of a decoding step: the token's embedding row, and the choice of the next token.

static constexpr int sampling_threads = 256;

/// x [B, columns] = rows of the table for the sequences' tokens; columns a multiple of 8. Grid: B.
KERNEL(sampling_threads)
embed_tokens_bf16(const bf16 *table, const int *tokens, bf16 *x, int rows, int columns) {
    let_next_kernel_begin();
    wait_for_previous_kernels();
    int sequence = blockIdx.x, token = min(max(tokens[sequence], 0), rows - 1);
    for (int i = threadIdx.x * 8; i < columns; i += sampling_threads * 8)
        store_pack(
            x + static_cast<long long>(sequence) * columns + i,
            load_pack(table + static_cast<long long>(token) * columns + i));
}

/// The largest logit, the smaller token of equals, and the first token whose logit is no finite number.
struct Choice {
    float logit;
    int token;
    int bad;

    __device__ __forceinline__ void take(float other_logit, int other_token, int other_bad) {
        if (other_logit > logit || (other_logit == logit && other_token < token))
            logit = other_logit, token = other_token;
        bad = min(bad, other_bad);
    }
};

/// A block's choice, in thread 0.
__device__ __forceinline__ void join_choices(Choice &choice) {
    __shared__ Choice choices[sampling_threads / 32];
    for (int offset = 16; offset > 0; offset /= 2) {
        float logit = __shfl_xor_sync(0xFFFFFFFFu, choice.logit, offset);
        int token = __shfl_xor_sync(0xFFFFFFFFu, choice.token, offset);
        int bad = __shfl_xor_sync(0xFFFFFFFFu, choice.bad, offset);
        choice.take(logit, token, bad);
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) choices[threadIdx.x / 32] = choice;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int warp = 1; warp < sampling_threads / 32; ++warp)
            choice.take(choices[warp].logit, choices[warp].token, choices[warp].bad);
}

struct CacheView {
    bf16 *keys;
    bf16 *values;
    long long head_stride;
    long long entry_stride;
    long long capacity;
};

/// Greedy choice of each sequence's next token, and everything that moves on with it.
///
/// - logits: [B, stride], of which the first `count` are tokens; seen: a bit for each token generated, [B, words].
/// - choices: [B, gridDim.x], tickets: zeroed [B]; tokens, steps: [B]; lengths, views: [layers, B].
/// - results: [B, slots] in mapped host memory: the token at the step's slot, or -1 - t where token t's logit is no finite
///   number. Grid: (parts, B).
KERNEL(sampling_threads)
choose_tokens_bf16(
    const bf16 *logits, unsigned *seen, Choice *choices, unsigned *tickets, int *tokens, int *steps, int *lengths,
    const CacheView *views, int *results, int stride, int count, int words, int slots, int layers, float penalty) {
    __shared__ unsigned arrived;
    let_next_kernel_begin();
    wait_for_previous_kernels();
    int sequence = blockIdx.y, sequences = gridDim.y, parts = gridDim.x;
    const bf16 *row = logits + static_cast<long long>(sequence) * stride;
    unsigned *marks = seen + static_cast<long long>(sequence) * words;
    constexpr int none = 0x7FFFFFFF;
    Choice choice{-__int_as_float(0x7f800000), none, none};
    for (int first = (blockIdx.x * sampling_threads + threadIdx.x) * 8; first < count;
         first += parts * sampling_threads * 8) {
        Pack<bf16> pack = load_pack(row + first);
        unsigned bits = marks[first / 32] >> (first % 32);
        for (int i = 0; i < 8; ++i) {
            int token = first + i;
            if (token >= count) break;
            float logit = to_float(pack.values[i]);
            // Every exponent bit set: infinite or no number.
            if ((pack.values[i].bits & 0x7F80) == 0x7F80) {
                choice.bad = min(choice.bad, token);
                continue;
            }
            if (bits >> i & 1) logit = logit > 0 ? logit / penalty : logit * penalty;
            choice.take(logit, token, none);
        }
    }
    join_choices(choice);
    if (threadIdx.x == 0) {
        choices[sequence * parts + blockIdx.x] = choice;
        __threadfence();
        arrived = atomicAdd(&tickets[sequence], 1u) + 1;
    }
    __syncthreads();
    if (arrived != parts) return;
    __threadfence();
    choice = Choice{-__int_as_float(0x7f800000), none, none};
    for (int part = threadIdx.x; part < parts; part += sampling_threads) {
        const volatile Choice &other = choices[sequence * parts + part];
        choice.take(other.logit, other.token, other.bad);
    }
    join_choices(choice);
    if (threadIdx.x == 0) {
        int step = steps[sequence];
        int token = choice.token == none ? 0 : choice.token;
        results[sequence * slots + step % slots] = choice.bad == none ? token : -1 - choice.bad;
        tokens[sequence] = token;
        marks[token / 32] |= 1u << (token % 32);
        steps[sequence] = step + 1;
        tickets[sequence] = 0;
    }
    for (int layer = threadIdx.x; layer < layers; layer += sampling_threads) {
        int place = layer * sequences + sequence;
        if (lengths[place] < views[place].capacity) lengths[place] += 1;
    }
}
