#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/elementwise.cu"
}  // namespace
EMULATED_KERNELS(
    E(swiglu_bf16), E(swiglu_f32), E(quick_gelu_bf16), E(quick_gelu_f32), E(gelu_bf16), E(gelu_f32),
    E(swiglu_e4m3_bf16_narrow), E(swiglu_e4m3_bf16_wide), E(swiglu_e4m3_f32_narrow), E(swiglu_e4m3_f32_wide),
    E(quick_gelu_e4m3_bf16_narrow), E(quick_gelu_e4m3_bf16_wide), E(quick_gelu_e4m3_f32_narrow),
    E(quick_gelu_e4m3_f32_wide), E(gelu_e4m3_bf16_narrow), E(gelu_e4m3_bf16_wide), E(gelu_e4m3_f32_narrow),
    E(gelu_e4m3_f32_wide), E(copy_e4m3_bf16_narrow), E(copy_e4m3_bf16_wide), E(copy_e4m3_f32_narrow),
    E(copy_e4m3_f32_wide))
