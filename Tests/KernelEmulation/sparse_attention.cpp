#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/sparse_attention.cu"
}  // namespace
EMULATED_KERNELS(
    E(sparse_lists), E(sparse_attention_64x64), E(sparse_attention_64x128), E(sparse_attention_128x64),
    E(sparse_attention_128x128))
