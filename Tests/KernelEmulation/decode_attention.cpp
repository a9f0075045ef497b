#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/decode_attention.cu"
}  // namespace
EMULATED_KERNELS(
    E(decode_attention_64), E(decode_attention_128))
