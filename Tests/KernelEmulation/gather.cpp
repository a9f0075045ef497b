#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/gather.cu"
}  // namespace
EMULATED_KERNELS(
    E(gather_rows), E(add_rows_bf16), E(add_rows_f32))
