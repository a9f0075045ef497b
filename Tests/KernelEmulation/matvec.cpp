#include "emulated.h"
namespace {
#include "../../Sources/Torch/Kernels/common.cuh"
#include "../../Sources/Torch/Kernels/matvec.cu"
}  // namespace
EMULATED_KERNELS(
    E(matvec_norm_bf16), E(matvec_norm_e4m3), E(matvec_add_bf16), E(matvec_add_e4m3), E(matvec_swiglu_bf16),
    E(matvec_swiglu_e4m3))
