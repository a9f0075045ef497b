// What every kernel starts from: element types, 16-byte access, reductions, and the instructions that have no C++ name.
//
// Stands textually in front of each kernel file: NVRTC has no headers. With EMULATED the same text is plain C++ for
// the emulator of Tests/KernelEmulation, which brings its own body of everything between the two marks below.

struct bf16 {
    unsigned short bits;
};
struct e4m3 {
    unsigned char bits;
};

/// 16 bytes of one element type, loaded and stored at once.
template <typename T> struct alignas(16) Pack {
    static constexpr int count = 16 / sizeof(T);
    union {
        T values[count];
        unsigned words[4];  // 16-bit values one by one would take a register each
    };
};

/// KERNEL(threads) or KERNEL(threads, blocks that must fit a multiprocessor at once) name(parameters) {...}
#define KERNEL(...) extern "C" __global__ void __launch_bounds__(__VA_ARGS__)

// ---- instructions ----------------------------------------------------------------------------------------------------
#ifndef EMULATED

#define DYNAMIC_SHARED(type, name)                                                                 \
    extern __shared__ __align__(128) unsigned char dynamic_shared_memory[];                        \
    type *name = reinterpret_cast<type *>(dynamic_shared_memory)

/// Two floats to two bf16, round to nearest even; `low` in the lower half.
__device__ __forceinline__ unsigned pack_bf16(float low, float high) {
    unsigned result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
}

/// Two floats to two e4m3, saturating; `low` in the lower byte.
__device__ __forceinline__ unsigned short pack_e4m3(float low, float high) {
    unsigned short result;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(result) : "f"(high), "f"(low));
    return result;
}

/// Two e4m3 to two halves in one register, the lower byte in the lower half.
__device__ __forceinline__ unsigned e4m3x2_to_f16x2(unsigned short pair) {
    unsigned result;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(result) : "h"(pair));
    return result;
}

__device__ __forceinline__ float half_to_float(unsigned short bits) {
    float result;
    asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(bits));
    return result;
}

__device__ __forceinline__ unsigned short float_to_half(float value) {
    unsigned short result;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result) : "f"(value));
    return result;
}

__device__ __forceinline__ float exp2_approximate(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

__device__ __forceinline__ float reciprocal_approximate(float x) {
    float result;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

/// d += a b for one 16 x 8 tile over 16 products; fragments as PTX defines them for mma.m16n8k16 (row, col).
__device__ __forceinline__ void mma_bf16_16x8x16(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 tiles of 16-bit elements; lane l names row l % 8 of tile l / 8, in shared memory.
__device__ __forceinline__ void load_matrix_x4(unsigned (&tiles)[4], const void *row) {
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
                 : "r"(address));
}

/// The same, each tile transposed.
__device__ __forceinline__ void load_matrix_x4_transposed(unsigned (&tiles)[4], const void *row) {
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(tiles[0]), "=r"(tiles[1]), "=r"(tiles[2]), "=r"(tiles[3])
                 : "r"(address));
}

/// Starts a copy of 16 bytes from global to shared memory; with `isValid` false it writes zeros and reads nothing.
__device__ __forceinline__ void copy_async_16(void *shared, const void *global, bool isValid) {
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    int bytes = isValid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes) : "memory");
}

/// The same for what is read once and in order: on its way it takes along the whole `fetch` bytes around, 64, 128 or 256, for
/// neighbouring threads.
template <int fetch>
__device__ __forceinline__ void copy_async_16_fetching(void *shared, const void *global, bool isValid) {
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    int bytes = isValid ? 16 : 0;
    if constexpr (fetch == 256)
        asm volatile("cp.async.cg.shared.global.L2::256B [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes)
                     : "memory");
    else if constexpr (fetch == 128)
        asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(address), "l"(global), "r"(bytes)
                     : "memory");
    else
        copy_async_16(shared, global, isValid);
}

/// Asks for memory to be brought into the cache that all multiprocessors share; address and bytes are multiples of 16.
__device__ __forceinline__ void prefetch_16s(const void *address, int bytes) {
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(__cvta_generic_to_global(address)), "r"(bytes)
                 : "memory");
}

__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most `pending` of this thread's groups are under way.
template <int pending> __device__ __forceinline__ void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

/// A load of 16 bytes that are read once and that nothing writes meanwhile: they need not stay in the first cache.
__device__ __forceinline__ uint4 load_streaming_16(const void *address) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(address));
    return v;
}

/// Returns once every kernel that this one depends on is complete; at once unless it was launched ahead of their end.
__device__ __forceinline__ void wait_for_previous_kernels() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

/// Lets the next kernel of the stream begin where there is room: it waits by itself before it reads results.
__device__ __forceinline__ void let_next_kernel_begin() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

#endif
// ---- end of instructions -----------------------------------------------------------------------------------------------

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float(static_cast<unsigned>(x.bits) << 16); }
__device__ __forceinline__ float low_bf16(unsigned pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_bf16(unsigned pair) { return __uint_as_float(pair & 0xFFFF0000u); }

template <typename T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) {
    return bf16{static_cast<unsigned short>(pack_bf16(x, 0.0f))};
}

/// What is left of x when it is stored as T: libtorch rounds after each operator.
template <typename T> __device__ __forceinline__ float rounded(float x) { return to_float(from_float<T>(x)); }

template <typename T> __device__ __forceinline__ Pack<T> pack_of(uint4 bits) {
    Pack<T> pack;
    pack.words[0] = bits.x;
    pack.words[1] = bits.y;
    pack.words[2] = bits.z;
    pack.words[3] = bits.w;
    return pack;
}
template <typename T> __device__ __forceinline__ Pack<T> load_pack(const T *address) {
    return pack_of<T>(*reinterpret_cast<const uint4 *>(address));
}
template <typename T> __device__ __forceinline__ void store_pack(T *address, const Pack<T> &pack) {
    *reinterpret_cast<uint4 *>(address) = make_uint4(pack.words[0], pack.words[1], pack.words[2], pack.words[3]);
}

/// The elements of a pack as numbers, and back with one rounding.
__device__ __forceinline__ void unpack(const Pack<float> &pack, float (&x)[4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) x[i] = __uint_as_float(pack.words[i]);
}
__device__ __forceinline__ void unpack(const Pack<bf16> &pack, float (&x)[8]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        x[2 * i] = low_bf16(pack.words[i]);
        x[2 * i + 1] = high_bf16(pack.words[i]);
    }
}
__device__ __forceinline__ Pack<float> pack(const float (&x)[4]) {
    Pack<float> result;
#pragma unroll
    for (int i = 0; i < 4; ++i) result.words[i] = __float_as_uint(x[i]);
    return result;
}
__device__ __forceinline__ Pack<bf16> pack(const float (&x)[8]) {
    Pack<bf16> result;
#pragma unroll
    for (int i = 0; i < 4; ++i) result.words[i] = pack_bf16(x[2 * i], x[2 * i + 1]);
    return result;
}
/// What is left of the numbers of a pack when they are stored.
__device__ __forceinline__ void round_all(float (&)[4]) {}
__device__ __forceinline__ void round_all(float (&x)[8]) { unpack(pack(x), x); }

/// What is read once, and what nothing writes meanwhile.
template <typename T> __device__ __forceinline__ Pack<T> load_once(const T *address) {
    return pack_of<T>(load_streaming_16(address));
}

template <typename T> __device__ __forceinline__ float largest_magnitude(const Pack<T> &pack) {
    float x[Pack<T>::count], most = 0;
    unpack(pack, x);
#pragma unroll
    for (int i = 0; i < Pack<T>::count; ++i) most = fmaxf(most, fabsf(x[i]));
    return most;
}

/// The scale of a row in e4m3 whose largest magnitude is `most`: 448 is the largest number there is. Of zeros: 1.
__device__ __forceinline__ float e4m3_scale(float most) {
    return most > 0 ? fmaxf(__fmul_rn(most, 1.0f / 448.0f), 1e-30f) : 1.0f;
}

/// Each value times `inverse`, saturated; as many bytes as the pack has elements, aligned to that.
template <typename T> __device__ __forceinline__ void store_e4m3(e4m3 *address, const Pack<T> &pack, float inverse) {
    float x[Pack<T>::count];
    unpack(pack, x);
    unsigned words[Pack<T>::count / 4];
#pragma unroll
    for (int i = 0; i < Pack<T>::count / 4; ++i) {
        unsigned low = pack_e4m3(__fmul_rn(x[4 * i], inverse), __fmul_rn(x[4 * i + 1], inverse));
        unsigned high = pack_e4m3(__fmul_rn(x[4 * i + 2], inverse), __fmul_rn(x[4 * i + 3], inverse));
        words[i] = low | high << 16;
    }
    if (Pack<T>::count == 8)
        *reinterpret_cast<uint2 *>(address) = make_uint2(words[0], words[Pack<T>::count / 4 - 1]);
    else
        *reinterpret_cast<unsigned *>(address) = words[0];
}

/// The matrix that the next kernel reads, and how much of it this one's blocks ask for when they have loaded their own: the
/// first `bytes` of each row of the tiles with which the next kernel's blocks begin. A tile is 16 rows, or eight at the same
/// place of each half where `half` (rows) is not 0.
struct NextMatrix {
    const unsigned char *weight;
    int tiles, rows, half, row_bytes, bytes;

    __device__ __forceinline__ void prefetch(int block, int blocks) const {
        if (!weight) return;
        for (int i = threadIdx.x * blocks + block; i < tiles * 16; i += blockDim.x * blocks) {
            int tile = i / 16, line = i % 16;
            int row = half ? line / 8 * half + tile * 8 + line % 8 : tile * 16 + line;
            if (row < rows) prefetch_16s(weight + static_cast<long long>(row) * row_bytes, bytes);
        }
    }
};
/// The same as parameters of a kernel.
#define NEXT_MATRIX_PARAMETERS                                                                     \
    const unsigned char *next_weight, int next_tiles, int next_rows, int next_half, int next_row_bytes, int next_bytes
#define NEXT_MATRIX NextMatrix{next_weight, next_tiles, next_rows, next_half, next_row_bytes, next_bytes}

__device__ __forceinline__ float warp_sum(float x) {
    for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, offset);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
    for (int offset = 16; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, offset));
    return x;
}

/// Sum over a block of `threads`, the same in each; every thread must call it.
template <int threads> __device__ __forceinline__ float block_sum(float x) {
    __shared__ float parts[threads / 32];
    x = warp_sum(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0;
    for (int warp = 0; warp < threads / 32; ++warp) sum += parts[warp];
    return sum;
}

template <int threads> __device__ __forceinline__ float block_max(float x) {
    __shared__ float parts[threads / 32];
    x = warp_max(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    float most = parts[0];
    for (int warp = 1; warp < threads / 32; ++warp) most = fmaxf(most, parts[warp]);
    return most;
}
