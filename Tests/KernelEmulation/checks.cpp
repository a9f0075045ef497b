// Kernels that exist only to test the emulator itself: right ones, and one of each mistake it must find.
#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"

KERNEL(256) check_sum(const float *x, float *sums, int count) {
    float sum = 0;
    for (int i = threadIdx.x; i < count; i += 256) sum += x[blockIdx.x * count + i];
    sum = block_sum<256>(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

/// c [16, 8] = a [16, 16] times the transpose of b [8, 16], through every tensor-core function there is.
KERNEL(32) check_product(const bf16 *a, const bf16 *b, float *c) {
    __shared__ __align__(16) bf16 left[16 * 16], right[16 * 16];
    int lane = threadIdx.x;
    copy_async_16(left + lane * 8, a + lane * 8, true);
    copy_async_16(right + lane * 8, b + lane % 16 * 8, lane < 16);
    copy_async_commit();
    copy_async_wait<0>();
    __syncwarp();
    unsigned x[4], y[4];
    float d[4] = {0, 0, 0, 0};
    load_matrix_x4(x, left + lane % 16 * 16 + lane / 16 * 8);
    load_matrix_x4(y, right + (lane % 8 + lane / 16 * 8) * 16 + lane / 8 % 2 * 8);
    mma_bf16_16x8x16(d, x, {y[0], y[1]});
    for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
}

/// Half the lanes of a warp at a barrier, half in a shuffle.
KERNEL(64) check_diverged(float *result) {
    float x = threadIdx.x;
    if (threadIdx.x % 32 < 16)
        x = __shfl_xor_sync(0xFFFFFFFFu, x, 1);
    else
        __syncthreads();
    result[threadIdx.x] = x;
}

KERNEL(64) check_overrun(int offset) {
    DYNAMIC_SHARED(float, memory);
    memory[offset + threadIdx.x] = 1;
}

/// Reads what other threads wrote, without a barrier between.
KERNEL(128) check_race(float *result) {
    __shared__ float memory[128];
    memory[threadIdx.x] = threadIdx.x;
    result[threadIdx.x] = memory[127 - threadIdx.x];
}

/// Reads what was copied, without waiting for it.
KERNEL(32) check_unwaited(const float *x, float *result) {
    __shared__ __align__(16) float memory[128];
    copy_async_16(memory + threadIdx.x * 4, x + threadIdx.x * 4, true);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    result[threadIdx.x] = memory[threadIdx.x];
}

/// x as e4m3 and back, through pairs of halves.
KERNEL(32) check_e4m3(const float *x, float *result) {
    unsigned pair = e4m3x2_to_f16x2(pack_e4m3(x[threadIdx.x], -x[threadIdx.x]));
    result[threadIdx.x] = half_to_float(static_cast<unsigned short>(pair));
}

}  // namespace
EMULATED_KERNELS(
    E(check_sum), E(check_product), E(check_diverged), E(check_overrun), E(check_race), E(check_unwaited),
    E(check_e4m3))
