#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/sampling.cu"
}  // namespace
EMULATED_KERNELS(
    E(embed_tokens_bf16), E(choose_tokens_bf16))
