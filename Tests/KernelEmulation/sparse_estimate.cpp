#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/sparse_estimate.cu"
}  // namespace
EMULATED_KERNELS(
    E(sparse_estimate_maxima_64), E(sparse_estimate_maxima_128), E(sparse_estimate_sums_64),
    E(sparse_estimate_sums_128), E(sparse_estimate_join))
