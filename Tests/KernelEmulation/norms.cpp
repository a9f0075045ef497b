#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/norms.cu"
}  // namespace
EMULATED_KERNELS(
    E(rms_norm_bf16), E(rms_norm_f32), E(rms_norm_e4m3_bf16), E(rms_norm_e4m3_f32), E(layer_norm_bf16),
    E(layer_norm_f32), E(layer_norm_e4m3_bf16), E(layer_norm_e4m3_f32),
    E(layer_norm_tokens_bf16), E(layer_norm_tokens_f32))
