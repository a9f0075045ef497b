#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/kv_pack.cu"
}  // namespace
EMULATED_KERNELS(
    E(kv_ranges), E(kv_grids), E(kv_encode))
