#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/probe.cu"
}  // namespace
EMULATED_KERNELS(
    E(probe_row_sums_64), E(probe_row_sums_128), E(probe_column_sums_64), E(probe_column_sums_128))
