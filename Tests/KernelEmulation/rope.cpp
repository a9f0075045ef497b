#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/rope.cu"
}  // namespace
EMULATED_KERNELS(
    E(rope_bf16), E(rope_f32))
