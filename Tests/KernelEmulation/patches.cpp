#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/patches.cu"
}  // namespace
EMULATED_KERNELS(
    E(patches_of_bytes_bf16), E(patches_of_bytes_f32), E(patches_of_pixels_bf16), E(patches_of_pixels_f32))
