#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/kv_attention.cu"
}  // namespace
EMULATED_KERNELS(
    E(kv_attention_64x1), E(kv_attention_64x2), E(kv_attention_64x4), E(kv_attention_64x8), E(kv_attention_128x1),
    E(kv_attention_128x2), E(kv_attention_128x4), E(kv_attention_128x7), E(kv_attention_128x8), E(kv_attention_join))
