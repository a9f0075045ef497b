// What CUDA C++ has without being asked, as plain C++.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "block.h"

#define __device__
#define __global__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static __attribute__((section("emulated_shared")))
#define __grid_constant__

struct Index3 {
    unsigned x, y, z;
};
extern Index3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

#define VECTOR_TYPES(type, name)                                                                                       \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                                           \
    struct name##3 { type x, y, z; };                                                                                  \
    struct alignas(sizeof(type) * 4 > 16 ? 16 : sizeof(type) * 4) name##4 { type x, y, z, w; };                        \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                                   \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                                        \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
VECTOR_TYPES(float, float)
VECTOR_TYPES(double, double)
VECTOR_TYPES(int, int)
VECTOR_TYPES(unsigned, uint)
VECTOR_TYPES(short, short)
VECTOR_TYPES(unsigned short, ushort)
VECTOR_TYPES(signed char, char)
VECTOR_TYPES(unsigned char, uchar)
VECTOR_TYPES(long long, longlong)
VECTOR_TYPES(unsigned long long, ulonglong)
#undef VECTOR_TYPES

// ---- numbers ---------------------------------------------------------------------------------------------------------

template <typename To, typename From> inline To same_bits(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}

inline float __uint_as_float(unsigned x) { return same_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return same_bits<unsigned>(x); }
inline float __int_as_float(int x) { return same_bits<float>(x); }
inline int __float_as_int(float x) { return same_bits<int>(x); }
inline long long __double_as_longlong(double x) { return same_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return same_bits<double>(x); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __exp2f(float x) { return exp2f(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
inline float saturate(float x) { return __saturatef(x); }

inline int __float2int_rn(float x) { return static_cast<int>(lrintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline int __float2int_ru(float x) { return static_cast<int>(ceilf(x)); }
inline unsigned __float2uint_rn(float x) { return x <= 0 ? 0u : static_cast<unsigned>(llrintf(x)); }
inline unsigned __float2uint_rz(float x) { return x <= 0 ? 0u : static_cast<unsigned>(x); }
inline long long __float2ll_rn(float x) { return llrintf(x); }
inline unsigned long long __float2ull_rn(float x) { return x <= 0 ? 0ull : static_cast<unsigned long long>(llrintf(x)); }
inline unsigned long long __double2ull_rn(double x) { return x <= 0 ? 0ull : static_cast<unsigned long long>(llrint(x)); }
inline long long __double2ll_rn(double x) { return llrint(x); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
inline float __ull2float_rn(unsigned long long x) { return static_cast<float>(x); }
inline double __ull2double_rn(unsigned long long x) { return static_cast<double>(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline unsigned __brev(unsigned x) {
    unsigned result = 0;
    for (int i = 0; i < 32; ++i) result |= (x >> i & 1) << (31 - i);
    return result;
}
inline unsigned __umulhi(unsigned x, unsigned y) {
    return static_cast<unsigned>(static_cast<unsigned long long>(x) * y >> 32);
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    unsigned long long both = static_cast<unsigned long long>(y) << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) result |= static_cast<unsigned>(both >> (selector >> 4 * i & 7) * 8 & 0xFF) << 8 * i;
    return result;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return static_cast<unsigned>((static_cast<unsigned long long>(high) << 32 | low) >> (shift & 31));
}

#define MIN_MAX(type)                                                                                                  \
    inline type min(type a, type b) { return b < a ? b : a; }                                                          \
    inline type max(type a, type b) { return a < b ? b : a; }
MIN_MAX(int)
MIN_MAX(unsigned)
MIN_MAX(long)
MIN_MAX(unsigned long)
MIN_MAX(long long)
MIN_MAX(unsigned long long)
#undef MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// ---- memory ------------------------------------------------------------------------------------------------------------

template <typename T> inline T __ldg(const T *address) { return *address; }
template <typename T> inline T __ldcs(const T *address) { return *address; }
template <typename T> inline T __ldcg(const T *address) { return *address; }
template <typename T> inline T __ldca(const T *address) { return *address; }
template <typename T> inline void __stcs(T *address, const T &value) { *address = value; }
template <typename T> inline void __stcg(T *address, const T &value) { *address = value; }
template <typename T> inline void __stwt(T *address, const T &value) { *address = value; }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned) {}

template <typename T> struct SameType { using Type = T; };

#define ATOMIC(name, expression)                                                                                       \
    template <typename T> inline T name(T *address, typename SameType<T>::Type value) {                                \
        T old = *address;                                                                                              \
        *address = expression;                                                                                         \
        return old;                                                                                                    \
    }
ATOMIC(atomicAdd, static_cast<T>(old + value))
ATOMIC(atomicSub, static_cast<T>(old - value))
ATOMIC(atomicMax, old < value ? value : old)
ATOMIC(atomicMin, value < old ? value : old)
ATOMIC(atomicExch, value)
ATOMIC(atomicOr, static_cast<T>(old | value))
ATOMIC(atomicAnd, static_cast<T>(old & value))
ATOMIC(atomicXor, static_cast<T>(old ^ value))
ATOMIC(atomicInc, old >= value ? T(0) : static_cast<T>(old + 1))
#undef ATOMIC
template <typename T>
inline T atomicCAS(T *address, typename SameType<T>::Type expected, typename SameType<T>::Type value) {
    T old = *address;
    if (old == expected) *address = value;
    return old;
}

// ---- threads together --------------------------------------------------------------------------------------------------

inline void __syncthreads() { emulation::block_together(false); }
inline int __syncthreads_count(int predicate) { return emulation::block_together(predicate != 0); }
inline int __syncthreads_or(int predicate) { return emulation::block_together(predicate != 0) != 0; }
inline int __syncthreads_and(int predicate) { return emulation::block_together(predicate == 0) == 0; }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) {
    emulation::warp_together(mask, "__syncwarp", nullptr, nullptr, nullptr);
}

template <typename T> struct Exchange {
    T value;
    unsigned source;

    static T run(unsigned mask, const char *name, T value, unsigned source) {
        Exchange in{value, source};
        T out;
        emulation::warp_together(mask, name, [](emulation::Offer *lanes, unsigned members) {
            for (unsigned l = 0; l < 32; ++l) {
                if (!(members >> l & 1)) continue;
                unsigned source = static_cast<const Exchange *>(lanes[l].in)->source;
                if (!(members >> source & 1)) emulation::fail("lane %u reads lane %u, which is not there", l, source);
                *static_cast<T *>(lanes[l].out) = static_cast<const Exchange *>(lanes[source].in)->value;
            }
        }, &in, &out);
        return out;
    }
};

template <typename T> inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
    unsigned self = emulation::current_lane();
    unsigned segment = self & ~static_cast<unsigned>(width - 1);
    return Exchange<T>::run(mask, "__shfl_sync", value, segment + (static_cast<unsigned>(lane) & (width - 1)));
}
template <typename T> inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
    unsigned self = emulation::current_lane(), source = self ^ static_cast<unsigned>(lanes);
    bool isInside = source / width <= self / width;
    return Exchange<T>::run(mask, "__shfl_xor_sync", value, isInside ? source : self);
}
template <typename T> inline T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
    unsigned self = emulation::current_lane();
    bool isInside = self % width + lanes < static_cast<unsigned>(width);
    return Exchange<T>::run(mask, "__shfl_down_sync", value, isInside ? self + lanes : self);
}
template <typename T> inline T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
    unsigned self = emulation::current_lane();
    return Exchange<T>::run(mask, "__shfl_up_sync", value, self % width >= lanes ? self - lanes : self);
}

/// One result for the whole warp out of one value a lane.
template <typename T, typename Combine> inline T warp_fold(unsigned mask, const char *name, T value) {
    T out;
    emulation::warp_together(mask, name, [](emulation::Offer *lanes, unsigned members) {
        bool isFirst = true;
        T result{};
        for (unsigned l = 0; l < 32; ++l) {
            if (!(members >> l & 1)) continue;
            T value = *static_cast<const T *>(lanes[l].in);
            result = isFirst ? value : Combine()(result, value);
            isFirst = false;
        }
        for (unsigned l = 0; l < 32; ++l)
            if (members >> l & 1) *static_cast<T *>(lanes[l].out) = result;
    }, &value, &out);
    return out;
}

#define WARP_FOLD(name, expression)                                                                                    \
    struct Fold_##name {                                                                                               \
        template <typename T> T operator()(T a, T b) const { return expression; }                                      \
    };                                                                                                                 \
    inline unsigned name(unsigned mask, unsigned value) {                                                              \
        return warp_fold<unsigned, Fold_##name>(mask, #name, value);                                                   \
    }                                                                                                                  \
    inline int name(unsigned mask, int value) { return warp_fold<int, Fold_##name>(mask, #name, value); }
WARP_FOLD(__reduce_add_sync, a + b)
WARP_FOLD(__reduce_max_sync, (a < b ? b : a))
WARP_FOLD(__reduce_min_sync, (b < a ? b : a))
WARP_FOLD(__reduce_or_sync, a | b)
WARP_FOLD(__reduce_and_sync, a & b)
#undef WARP_FOLD

inline unsigned __ballot_sync(unsigned mask, int predicate) {
    return warp_fold<unsigned, Fold___reduce_or_sync>(
        mask, "__ballot_sync", predicate ? 1u << emulation::current_lane() : 0u);
}
inline int __any_sync(unsigned mask, int predicate) {
    return warp_fold<int, Fold___reduce_or_sync>(mask, "__any_sync", predicate != 0);
}
inline int __all_sync(unsigned mask, int predicate) {
    return warp_fold<int, Fold___reduce_and_sync>(mask, "__all_sync", predicate != 0);
}
template <typename T> inline unsigned __match_any_sync(unsigned mask, T value) {
    unsigned out;
    emulation::warp_together(mask, "__match_any_sync", [](emulation::Offer *lanes, unsigned members) {
        for (unsigned l = 0; l < 32; ++l) {
            if (!(members >> l & 1)) continue;
            unsigned equal = 0;
            for (unsigned k = 0; k < 32; ++k)
                if (members >> k & 1 && *static_cast<const T *>(lanes[k].in) == *static_cast<const T *>(lanes[l].in))
                    equal |= 1u << k;
            *static_cast<unsigned *>(lanes[l].out) = equal;
        }
    }, &value, &out);
    return out;
}
