// The threads of one block as fibers that take turns on one thread of the machine.
#pragma once

#include <cstddef>

namespace emulation {

/// What a thread brings to an instruction that its warp executes together, and where its result goes.
struct Offer {
    const void *in;
    void *out;
};

/// Works out the results of the lanes named in `members`.
using Complete = void (*)(Offer *lanes, unsigned members);

/// Waits for the other lanes of `mask`; the last one to come calls `complete`. `in` and `out` may lie on the stack.
void warp_together(unsigned mask, const char *instruction, Complete complete, const void *in, void *out);

/// Waits for all threads of the block that have not ended; returns the number of those whose `flag` is set.
int block_together(bool flag);

/// Starts a copy that is done when it is waited for: what is read too early is not there yet.
void start_copy(void *shared, const void *global, unsigned bytes, bool isValid);
void commit_copies();
void wait_for_copies(unsigned pending);

/// Lane of the thread that runs.
unsigned current_lane();
unsigned char *dynamic_shared_memory();

/// Ends the launch with an error.
[[noreturn]] void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// A kernel, and how to call it with arguments given by address.
struct Kernel {
    const char *name;
    void (*function)();
    void (*invoke)(void (*function)(), void *const *arguments);
    const size_t *sizes;
    size_t parameters;
};

/// Puts the kernels of one file into the table that `emulate` searches.
struct Registration {
    Registration(const Kernel *kernels, size_t count);
    const Kernel *kernels;
    size_t count;
    const Registration *next;
};

}  // namespace emulation
