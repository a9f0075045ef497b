#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/patch_outputs.cu"
}  // namespace
EMULATED_KERNELS(
    E(add_but_first_bf16), E(add_but_first_f32), E(pool_bf16), E(pool_f32))
