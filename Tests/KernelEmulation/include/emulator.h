// Runs the program's CUDA kernels on the CPU, for tests on machines without a GPU.
#ifndef KERNEL_EMULATOR_H
#define KERNEL_EMULATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Launches a kernel and returns when it is done: 0, or another number with the reason in `message`.
///
/// The blocks run one after the other; the threads of a block take turns, in an order that changes from turn to
/// turn. Found out and reported: threads that wait for others that never come, lanes of a warp that wait in
/// different instructions, bytes written around the dynamic shared memory, arguments of another number or size than
/// the kernel's parameters. Shared memory is full of NaN when a block starts. One launch at a time: others wait.
///
/// `arguments` point at the values, as cuLaunchKernel takes them; `sizes` are the values' sizes in bytes.
int emulate(const char *kernel, const unsigned grid[3], unsigned block, unsigned sharedBytes,
            void *const *arguments, const size_t *sizes, size_t count, char *message, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
