// Which tokens a layer attends, from the probe rows' attention: the p tokens that hold a share of it, what is always kept,
// and the next-ranked ones up to a bucket. The twin is TokenScores, TokenThreshold and TokenSelection in Swift.
//
// Scores are not negative, so that their bits are ordered as they are. The p-th largest is found by three histograms of
// 11, 10 and 10 bits, from the top; the first one is made where the scores are made, by many blocks, the others by the one
// block that chooses. Attention is added up in integers (`mass_scale` units for one), whose sums have no order.

static constexpr int select_threads = 1024;
static constexpr int select_first_bins = 2048;
static constexpr int select_bins = 1024;

typedef unsigned long long select_sum;

__device__ __forceinline__ select_sum select_mass(float score, float mass_scale) {
    return __double2ull_rn(static_cast<double>(score) * static_cast<double>(mass_scale));
}

__device__ __forceinline__ unsigned select_bits(float score) { return __float_as_uint(score) & 0x7FFFFFFFu; }

/// Scores, ranks and the first histogram. Grid: 1024 columns a block.
///
/// partials: [parts, n], added up in order; mean: 1 / H. Ranks are the bits of a score divided by how many probe rows see
/// the column (is_exact), or by n - column. first: [3, 2048], zero before: mass and number of tokens by score (by rank with
/// is_ranked_mass), then by rank the number of all tokens (low half) and of those that may be dropped (high half). These
/// are the columns [free_begin, free_end).
KERNEL(select_threads) select_scores(
    const float *partials, int parts, int n, float mean, const long long *probe_rows, int probes, int is_exact,
    int is_ranked_mass, int free_begin, int free_end, float mass_scale, float *scores, unsigned *ranks,
    select_sum *first) {
    // A block's 1024 masses of 60 bits are added up in three parts of 20 bits each.
    __shared__ unsigned masses[3][select_first_bins], counts[select_first_bins], both[select_first_bins];
    for (int bin = threadIdx.x; bin < select_first_bins; bin += select_threads) {
        for (int part = 0; part < 3; ++part) masses[part][bin] = 0;
        counts[bin] = 0;
        both[bin] = 0;
    }
    __syncthreads();
    int column = blockIdx.x * select_threads + threadIdx.x;
    if (column < n) {
        float score = 0;
        for (int part = 0; part < parts; ++part) score += partials[static_cast<long long>(part) * n + column];
        score *= mean;
        int divisor = n - column;
        if (is_exact) {
            int hidden = 0, end = probes;  // Probe rows before `hidden` do not see the column.
            while (hidden < end) {
                int middle = (hidden + end) / 2;
                if (probe_rows[middle] < column)
                    hidden = middle + 1;
                else
                    end = middle;
            }
            divisor = max(probes - hidden, 1);
        }
        unsigned rank = select_bits(__fdiv_rn(score, static_cast<float>(divisor)));
        scores[column] = score;
        ranks[column] = rank;
        unsigned bin = (is_ranked_mass ? rank : select_bits(score)) >> 20;
        select_sum mass = select_mass(score, mass_scale);
        for (int part = 0; part < 3; ++part)
            atomicAdd(&masses[part][bin], static_cast<unsigned>(mass >> 20 * part) & 0xFFFFFu);
        atomicAdd(&counts[bin], 1u);
        atomicAdd(&both[rank >> 20], column >= free_begin && column < free_end ? 0x10001u : 1u);
    }
    __syncthreads();
    for (int bin = threadIdx.x; bin < select_first_bins; bin += select_threads) {
        if (counts[bin]) {
            select_sum mass = masses[0][bin] + (static_cast<select_sum>(masses[1][bin]) << 20)
                + (static_cast<select_sum>(masses[2][bin]) << 40);
            atomicAdd(&first[bin], mass);
            atomicAdd(&first[select_first_bins + bin], static_cast<select_sum>(counts[bin]));
        }
        if (unsigned numbers = both[bin])
            atomicAdd(
                &first[2 * select_first_bins + bin],
                static_cast<select_sum>(numbers & 0xFFFFu) | static_cast<select_sum>(numbers >> 16) << 32);
    }
}

/// What stands above a threshold, and on it: a weight that decides, and one that is counted beside it.
struct SelectThreshold {
    unsigned key;
    select_sum above, beside_above;
    select_sum on, beside_on;
};

struct SelectShared {
    select_sum sums[2][32];
    SelectThreshold found;
    select_sum weights[select_bins];
    unsigned beside[select_bins];
    unsigned counts[select_bins];
    select_sum answer;
};

__device__ __forceinline__ select_sum select_warp_scan(select_sum x) {
    int lane = threadIdx.x % 32;
    for (int offset = 1; offset < 32; offset *= 2) {
        select_sum other = __shfl_up_sync(0xFFFFFFFFu, x, offset);
        if (lane >= offset) x += other;
    }
    return x;
}

__device__ __forceinline__ select_sum select_warp_sum(select_sum x) {
    for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, offset);
    return x;
}

/// Sums over the threads before this one, and over all.
__device__ __forceinline__ select_sum select_before(select_sum x, select_sum (&sums)[32], select_sum &total) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    select_sum scanned = select_warp_scan(x);
    __syncthreads();
    if (lane == 31) sums[warp] = scanned;
    __syncthreads();
    select_sum warps = select_warp_scan(sums[lane]);
    total = __shfl_sync(0xFFFFFFFFu, warps, 31);
    select_sum before = __shfl_sync(0xFFFFFFFFu, warps, warp > 0 ? warp - 1 : 0);
    return (warp > 0 ? before : 0) + scanned - x;
}

/// Moves `threshold` down to the bin in which the weight from above reaches `target`; each thread brings `count` bins,
/// the first thread the highest ones.
template <int count>
__device__ __forceinline__ void select_bin(
    SelectThreshold &threshold, const select_sum (&weights)[count], const select_sum (&beside)[count],
    select_sum target, SelectShared &shared) {
    select_sum weight = 0, other = 0, total;
    for (int i = 0; i < count; ++i) {
        weight += weights[i];
        other += beside[i];
    }
    select_sum above = threshold.above + select_before(weight, shared.sums[0], total);
    select_sum beside_above = threshold.beside_above + select_before(other, shared.sums[1], total);
    if (above < target && target <= above + weight) {
        for (int i = 0; i < count; ++i) {
            if (target <= above + weights[i]) {
                unsigned bin = count * select_threads - 1 - (threadIdx.x * count + i);
                shared.found.key = (count == 1 ? threshold.key * select_bins : 0) + bin;
                shared.found.above = above;
                shared.found.beside_above = beside_above;
                shared.found.on = weights[i];
                shared.found.beside_on = beside[i];
                break;
            }
            above += weights[i];
            beside_above += beside[i];
        }
    }
    __syncthreads();
    threshold = shared.found;
    __syncthreads();
}

/// The key at which the weight of the tokens with larger or equal keys reaches `target`.
///
/// - first: this thread's two bins of the first histogram, highest first.
/// - weigh: weight and side weight (0 or 1) of a token.
template <bool isMass, typename Weigh>
__device__ __forceinline__ SelectThreshold select_threshold(
    const unsigned *keys, int n, select_sum target, const select_sum (&first)[2], const select_sum (&beside)[2],
    SelectShared &shared, Weigh weigh) {
    SelectThreshold threshold = {};
    if (threadIdx.x == 0) shared.found = threshold;
    __syncthreads();
    select_bin<2>(threshold, first, beside, target, shared);
    for (int shift = 10; shift >= 0; shift -= 10) {
        shared.weights[threadIdx.x] = 0;
        shared.counts[threadIdx.x] = 0;
        shared.beside[threadIdx.x] = 0;
        __syncthreads();
        for (int start = 0; start < n; start += select_threads) {
            int token = start + threadIdx.x;
            unsigned key = token < n ? keys[token] & 0x7FFFFFFFu : 0;
            bool is_in = token < n && key >> (shift + 10) == threshold.key;
            unsigned bin = key >> shift & (select_bins - 1);
            if constexpr (isMass) {
                // Where a warp's tokens are in one bin, as equal scores are, they are added up first.
                unsigned members = __ballot_sync(0xFFFFFFFFu, is_in);
                if (members == 0) continue;
                select_sum weight = 0;
                unsigned other = 0;
                if (is_in) weigh(token, weight, other);
                unsigned one = __shfl_sync(0xFFFFFFFFu, bin, __ffs(members) - 1);
                if (__popc(members) > 4 && !__any_sync(0xFFFFFFFFu, is_in && bin != one)) {
                    weight = select_warp_sum(weight);
                    if (threadIdx.x % 32 == 0) atomicAdd(&shared.weights[one], weight);
                } else if (is_in) {
                    atomicAdd(&shared.weights[bin], weight);
                }
                if (other) atomicAdd(&shared.beside[bin], 1u);
            } else if (is_in) {
                select_sum weight = 0;
                unsigned other = 0;
                weigh(token, weight, other);
                if (weight) atomicAdd(&shared.counts[bin], 1u);
                if (other) atomicAdd(&shared.beside[bin], 1u);
            }
        }
        __syncthreads();
        int bin = select_bins - 1 - threadIdx.x;
        select_sum weights[1] = {isMass ? shared.weights[bin] : shared.counts[bin]};
        select_sum others[1] = {shared.beside[bin]};
        select_bin<1>(threshold, weights, others, target, shared);
    }
    return threshold;
}

/// Calls `body` for all tokens in order of their rows within each warp: a warp has a run of rows next to each other.
/// Every lane takes part in every call; beyond the end with token >= n.
template <typename Body> __device__ __forceinline__ void select_in_order(int n, Body body) {
    int run = (n + select_threads - 1) / select_threads * 32;
    int begin = threadIdx.x / 32 * run;
    for (int start = begin; start < min(begin + run, n); start += 32) body(start + static_cast<int>(threadIdx.x % 32));
}

/// Sum over the warps before this one of a value that its lanes share.
__device__ __forceinline__ select_sum select_before_warp(select_sum x, SelectShared &shared, select_sum &total) {
    bool is_first = threadIdx.x % 32 == 0;
    select_sum before = select_before(is_first ? x : 0, shared.sums[0], total);
    return __shfl_sync(0xFFFFFFFFu, before, 0);
}

/// One block of 1024 threads.
///
/// rule: 0 keeps `least` tokens, 1 the fewest tokens of largest score that hold the share tau, 2 the fewest of highest rank
/// that do. rows: the kept ones, ascending. result and host_result (may be null; host memory): number of kept tokens, p,
/// and the bits of a double: the share of the scores that they hold. first: of `select_scores`; zero afterwards.
KERNEL(select_threads) select_rows(
    const float *scores, const unsigned *ranks, int n, int rule, long long tau_bits, int least, int bucket,
    int free_begin, int free_end, float mass_scale, select_sum *first, long long *rows, long long *result,
    volatile long long *host_result) {
    __shared__ SelectShared shared;
    int lane = threadIdx.x % 32;
    unsigned lanes_before = (1u << lane) - 1;
    auto is_free = [&](int token) { return token >= free_begin && token < free_end; };

    // Highest bins first.
    select_sum masses[2], counts[2], all[2], free[2];
    for (int i = 0; i < 2; ++i) {
        int bin = select_first_bins - 1 - (threadIdx.x * 2 + i);
        masses[i] = first[bin];
        counts[i] = first[select_first_bins + bin];
        all[i] = first[2 * select_first_bins + bin] & 0xFFFFFFFFu;
        free[i] = first[2 * select_first_bins + bin] >> 32;
        for (int kind = 0; kind < 3; ++kind) first[kind * select_first_bins + bin] = 0;
    }
    select_sum total_mass;
    select_before(masses[0] + masses[1], shared.sums[0], total_mass);

    // p: how many tokens hold the share.
    select_sum p = 0;
    if (rule != 0) {
        double wanted = __longlong_as_double(tau_bits) * static_cast<double>(total_mass);
        select_sum target = __double2ull_rn(ceil(wanted));
        p = 1;
        if (target > 0) {
            SelectThreshold held = select_threshold<true>(
                rule == 1 ? reinterpret_cast<const unsigned *>(scores) : ranks, n, target, masses, counts, shared,
                [&](int token, select_sum &weight, unsigned &beside) {
                    weight = select_mass(scores[token], mass_scale);
                    beside = 1;
                });
            select_sum missing = target - held.above;
            if (rule == 1) {
                select_sum each = held.on / max(held.beside_on, static_cast<select_sum>(1));
                p = held.beside_above + (each > 0 ? (missing + each - 1) / each : held.beside_on);
            } else if (held.beside_on <= 1) {
                p = held.beside_above + held.beside_on;
            } else {
                // Tokens of one rank, in order of their rows.
                select_sum own = 0, ties = 0, nothing;
                select_in_order(n, [&](int token) {
                    bool is_tie = token < n && ranks[token] == held.key;
                    if (is_tie) own += select_mass(scores[token], mass_scale);
                    ties += __popc(__ballot_sync(0xFFFFFFFFu, is_tie));
                });
                own = select_warp_sum(own);
                select_sum before = select_before_warp(own, shared, nothing);
                select_sum ties_before = select_before_warp(ties, shared, nothing);
                if (threadIdx.x == 0) shared.answer = held.beside_on;
                __syncthreads();
                if (before < missing && missing <= before + own) {
                    bool is_found = false;
                    select_in_order(n, [&](int token) {
                        bool is_tie = token < n && ranks[token] == held.key;
                        select_sum mass = is_tie ? select_mass(scores[token], mass_scale) : 0;
                        select_sum up_to = before + select_warp_scan(mass);
                        unsigned tied = __ballot_sync(0xFFFFFFFFu, is_tie);
                        unsigned enough = __ballot_sync(0xFFFFFFFFu, up_to >= missing);
                        if (!is_found && enough) {
                            is_found = true;
                            int at = __ffs(enough) - 1;
                            if (lane == 0) shared.answer = ties_before + __popc(tied & ((2u << at) - 1));
                        }
                        ties_before += __popc(tied);
                        before = __shfl_sync(0xFFFFFFFFu, up_to, 31);
                    });
                }
                __syncthreads();
                p = held.beside_above + shared.answer;
                __syncthreads();
            }
        }
    }

    // How many of the first p may be dropped.
    int free_count = max(free_end - free_begin, 0);
    int forced = n - free_count;
    SelectThreshold top = {};
    int chosen = 0;
    if (rule != 0) {
        top = select_threshold<false>(
            ranks, n, p, all, free, shared, [&](int token, select_sum &weight, unsigned &beside) {
                weight = 1;
                beside = is_free(token);
            });
        select_sum tied = p - top.above, tied_free = top.beside_on;
        if (tied < top.on) {
            // Ties go to the lower rows.
            select_sum ties = 0, own = 0, nothing;
            select_in_order(n, [&](int token) {
                ties += __popc(__ballot_sync(0xFFFFFFFFu, token < n && ranks[token] == top.key));
            });
            select_sum before = select_before_warp(ties, shared, nothing);
            select_in_order(n, [&](int token) {
                unsigned all_tied = __ballot_sync(0xFFFFFFFFu, token < n && ranks[token] == top.key);
                bool is_chosen = all_tied >> lane & 1 && before + __popc(all_tied & lanes_before) < tied;
                own += __popc(__ballot_sync(0xFFFFFFFFu, is_chosen && is_free(token)));
                before += __popc(all_tied);
            });
            select_before_warp(own, shared, tied_free);
        }
        chosen = static_cast<int>(top.beside_above + tied_free);
    }

    // The next-ranked tokens fill the bucket.
    int wanted = max(forced + chosen, least);
    long long whole = (static_cast<long long>(wanted) + bucket - 1) / bucket * bucket;
    int count = bucket >= n || whole >= n ? n : static_cast<int>(whole);
    int added = count - forced;
    unsigned key = 0xFFFFFFFFu;
    select_sum ties = 0;
    if (rule != 0 && added == chosen) {
        key = top.key;
        ties = chosen - top.beside_above;
    } else if (added > 0) {
        select_sum none[2] = {0, 0};
        SelectThreshold last = select_threshold<false>(
            ranks, n, static_cast<select_sum>(added), free, none, shared,
            [&](int token, select_sum &weight, unsigned &) { weight = is_free(token); });
        key = last.key;
        ties = added - last.above;
    }

    // Rows in order. `sure` are kept whatever is tied.
    select_sum sure = 0, tied = 0, nothing;
    auto look = [&](int token, unsigned &sure_ones, unsigned &tied_ones) {
        bool is_there = token < n;
        bool may_drop = is_free(token);
        unsigned rank = is_there ? ranks[token] : 0;
        sure_ones = __ballot_sync(0xFFFFFFFFu, is_there && (!may_drop || rank > key));
        tied_ones = __ballot_sync(0xFFFFFFFFu, is_there && may_drop && rank == key);
    };
    select_in_order(n, [&](int token) {
        unsigned sure_ones, tied_ones;
        look(token, sure_ones, tied_ones);
        sure += __popc(sure_ones);
        tied += __popc(tied_ones);
    });
    sure = select_before_warp(sure, shared, nothing);
    tied = select_before_warp(tied, shared, nothing);
    select_sum mass = 0;
    select_in_order(n, [&](int token) {
        unsigned sure_ones, tied_ones;
        look(token, sure_ones, tied_ones);
        bool is_tie = tied_ones >> lane & 1 && tied + __popc(tied_ones & lanes_before) < ties;
        unsigned kept = sure_ones | __ballot_sync(0xFFFFFFFFu, is_tie);
        if (kept >> lane & 1) {
            rows[sure + min(tied, ties) + __popc(kept & lanes_before)] = token;
            mass += select_mass(scores[token], mass_scale);
        }
        sure += __popc(sure_ones);
        tied += __popc(tied_ones);
    });
    select_sum kept_mass;
    select_before_warp(select_warp_sum(mass), shared, kept_mass);
    if (threadIdx.x == 0) {
        double share =
            total_mass > 0 ? static_cast<double>(kept_mass) / static_cast<double>(total_mass) : 1.0;
        long long values[3] = {count, static_cast<long long>(p), __double_as_longlong(share)};
        for (int i = 0; i < 3; ++i) {
            result[i] = values[i];
            if (host_result != nullptr) host_result[i] = values[i];
        }
        __threadfence_system();
    }
}
