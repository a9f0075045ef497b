// What a file of kernels is compiled behind. Each .cu has a .cpp here that reads
//
//     #include "emulated.h"
//     namespace {
//     #include "../../Sources/Torch/Kernels/common.cuh"
//     #include "../../Sources/Torch/Kernels/NAME.cu"
//     }
//     EMULATED_KERNELS(E(first_kernel), E(second_kernel))
#pragma once

#define EMULATED
#include "instructions.h"

#include <utility>

#pragma clang diagnostic ignored "-Wunused-function"
#pragma clang diagnostic ignored "-Wunknown-pragmas"
#pragma clang diagnostic ignored "-Wpass-failed"

namespace {

template <typename... Parameters> struct Signature {
    static constexpr size_t sizes[] = {sizeof(Parameters)..., 0};

    template <size_t... I>
    static void call(void (*function)(Parameters...), void *const *arguments, std::index_sequence<I...>) {
        function(*static_cast<Parameters *>(arguments[I])...);
    }

    static void invoke(void (*function)(), void *const *arguments) {
        call(reinterpret_cast<void (*)(Parameters...)>(function), arguments,
             std::index_sequence_for<Parameters...>());
    }
};

template <typename... Parameters>
emulation::Kernel emulated_kernel(const char *name, void (*function)(Parameters...)) {
    using S = Signature<Parameters...>;
    return {name, reinterpret_cast<void (*)()>(function), S::invoke, S::sizes, sizeof...(Parameters)};
}

}  // namespace

#define E(kernel) emulated_kernel(#kernel, kernel)
#define EMULATED_KERNELS(...)                                                                                          \
    static const emulation::Kernel emulated_kernels[] = {__VA_ARGS__};                                                 \
    static const emulation::Registration emulated_registration(                                                        \
        emulated_kernels, sizeof emulated_kernels / sizeof emulated_kernels[0]);
