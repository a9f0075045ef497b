// The bodies, for the emulator, of what common.cuh says in PTX. Stands in front of common.cuh.
#pragma once

#include "builtins.h"

#define DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(emulation::dynamic_shared_memory())

/// The nearest number with `mantissa` bits behind the point and exponents from `lowest` up, in units of its last place.
struct Nearest {
    int exponent;
    unsigned steps;  // 2^mantissa and more for a normal number
    Nearest(float magnitude, int mantissa, int lowest) {
        exponent = magnitude > 0 ? ilogbf(magnitude) : lowest;
        if (exponent < lowest) exponent = lowest;
        steps = static_cast<unsigned>(rint(ldexp(static_cast<double>(magnitude), mantissa - exponent)));
    }
    /// The exponent field above the mantissa; a carry moves into the field by itself.
    unsigned bits(int mantissa, int lowest) const {
        return (static_cast<unsigned>(exponent - lowest) << mantissa) + steps;
    }
};

inline unsigned short bf16_bits(float value) {
    unsigned bits = __float_as_uint(value);
    if (value != value) return 0x7FFF;
    return static_cast<unsigned short>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
inline float bf16_value(unsigned short bits) { return __uint_as_float(static_cast<unsigned>(bits) << 16); }

inline unsigned pack_bf16(float low, float high) {
    return bf16_bits(low) | static_cast<unsigned>(bf16_bits(high)) << 16;
}

inline unsigned e4m3_bits(float value) {
    unsigned sign = __float_as_uint(value) >> 31 << 7;
    if (value != value) return 0x7F;
    float magnitude = fabsf(value);
    return sign | (magnitude >= 448 ? 0x7Eu : Nearest(magnitude, 3, -6).bits(3, -6));
}
inline float e4m3_value(unsigned bits) {
    int exponent = bits >> 3 & 15, mantissa = bits & 7;
    float magnitude = (bits & 0x7F) == 0x7F ? NAN
        : exponent == 0                     ? ldexpf(static_cast<float>(mantissa), -9)
                                            : ldexpf(static_cast<float>(8 + mantissa), exponent - 10);
    return bits & 0x80 ? -magnitude : magnitude;
}

inline unsigned short pack_e4m3(float low, float high) {
    return static_cast<unsigned short>(e4m3_bits(low) | e4m3_bits(high) << 8);
}

inline unsigned short float_to_half(float value) {
    unsigned sign = __float_as_uint(value) >> 31 << 15;
    if (value != value) return 0x7FFF;
    float magnitude = fabsf(value);
    return static_cast<unsigned short>(
        sign | (magnitude >= 65520 ? 0x7C00u : Nearest(magnitude, 10, -14).bits(10, -14)));
}
inline float half_to_float(unsigned short bits) {
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float magnitude = exponent == 31 ? (mantissa ? NAN : INFINITY)
        : exponent == 0              ? ldexpf(static_cast<float>(mantissa), -24)
                                     : ldexpf(static_cast<float>(1024 + mantissa), exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
}

inline unsigned e4m3x2_to_f16x2(unsigned short pair) {
    return float_to_half(e4m3_value(pair & 0xFF))
        | static_cast<unsigned>(float_to_half(e4m3_value(pair >> 8))) << 16;
}

inline float exp2_approximate(float x) { return exp2f(x); }
inline float reciprocal_approximate(float x) { return 1.0f / x; }

/// Fragments as PTX lays them out: lane l has rows l / 4 and l / 4 + 8, columns from 2 (l % 4).
inline void mma_bf16_16x8x16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    struct Fragments {
        float d[4];
        unsigned a[4], b[2];
    } in;
    memcpy(in.d, d, sizeof d);
    memcpy(in.a, a, sizeof a);
    memcpy(in.b, b, sizeof b);
    emulation::warp_together(0xFFFFFFFFu, "mma_bf16_16x8x16", [](emulation::Offer *lanes, unsigned members) {
        if (members != 0xFFFFFFFFu) emulation::fail("mma needs all 32 lanes");
        float left[16][16], right[8][16];
        for (int l = 0; l < 32; ++l) {
            const Fragments *f = static_cast<const Fragments *>(lanes[l].in);
            int row = l / 4, column = l % 4 * 2;
            for (int half = 0; half < 2; ++half) {
                for (int i = 0; i < 4; ++i)
                    left[row + i % 2 * 8][column + i / 2 * 8 + half] = bf16_value(f->a[i] >> 16 * half & 0xFFFF);
                for (int i = 0; i < 2; ++i)
                    right[row][column + i * 8 + half] = bf16_value(f->b[i] >> 16 * half & 0xFFFF);
            }
        }
        for (int l = 0; l < 32; ++l) {
            const Fragments *f = static_cast<const Fragments *>(lanes[l].in);
            float *out = static_cast<float *>(lanes[l].out);
            for (int i = 0; i < 4; ++i) {
                const float *x = left[l / 4 + i / 2 * 8], *y = right[l % 4 * 2 + i % 2];
                float sum = 0;
                for (int k = 0; k < 16; ++k) sum += x[k] * y[k];
                out[i] = f->d[i] + sum;
            }
        }
    }, &in, d);
}

template <bool isTransposed>
inline void emulated_load_matrix(unsigned (&tiles)[4], const void *row, const char *name) {
    if (reinterpret_cast<uintptr_t>(row) % 16) emulation::fail("%s: a row that is not aligned to 16 bytes", name);
    emulation::warp_together(0xFFFFFFFFu, name, [](emulation::Offer *lanes, unsigned members) {
        if (members != 0xFFFFFFFFu) emulation::fail("load_matrix needs all 32 lanes");
        for (int l = 0; l < 32; ++l) {
            unsigned *out = static_cast<unsigned *>(lanes[l].out);
            for (int tile = 0; tile < 4; ++tile) {
                unsigned short pair[2];
                for (int i = 0; i < 2; ++i) {
                    int row = isTransposed ? l % 4 * 2 + i : l / 4;
                    int column = isTransposed ? l / 4 : l % 4 * 2 + i;
                    pair[i] = static_cast<const unsigned short *>(lanes[tile * 8 + row].in)[column];
                }
                out[tile] = pair[0] | static_cast<unsigned>(pair[1]) << 16;
            }
        }
    }, row, tiles);
}
inline void load_matrix_x4(unsigned (&tiles)[4], const void *row) {
    emulated_load_matrix<false>(tiles, row, "load_matrix_x4");
}
inline void load_matrix_x4_transposed(unsigned (&tiles)[4], const void *row) {
    emulated_load_matrix<true>(tiles, row, "load_matrix_x4_transposed");
}

inline void copy_async_16(void *shared, const void *global, bool isValid) {
    emulation::start_copy(shared, global, 16, isValid);
}
template <int fetch> inline void copy_async_16_fetching(void *shared, const void *global, bool isValid) {
    copy_async_16(shared, global, isValid);
}
/// Nothing to see, but what is asked for must be there.
inline void prefetch_16s(const void *address, int bytes) {
    if (reinterpret_cast<uintptr_t>(address) % 16 || bytes % 16 || bytes <= 0)
        emulation::fail("a prefetch that is not aligned to 16 bytes");
    const volatile unsigned char *memory = static_cast<const unsigned char *>(address);
    (void)memory[0], (void)memory[bytes - 1];
}
inline void copy_async_commit() { emulation::commit_copies(); }
template <int pending> inline void copy_async_wait() { emulation::wait_for_copies(pending); }

inline uint4 load_streaming_16(const void *address) {
    if (reinterpret_cast<uintptr_t>(address) % 16) emulation::fail("a load that is not aligned to 16 bytes");
    return *static_cast<const uint4 *>(address);
}

// Blocks run one after the other here: what a kernel depends on is complete before it begins.
inline void wait_for_previous_kernels() {}
inline void let_next_kernel_begin() {}
