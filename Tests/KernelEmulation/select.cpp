#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/select.cu"
}  // namespace
EMULATED_KERNELS(E(select_scores), E(select_rows))
