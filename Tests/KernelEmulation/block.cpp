#include "block.h"

#include <csetjmp>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#include "builtins.h"
#include "emulator.h"

Index3 threadIdx, blockIdx, blockDim, gridDim;

// Every `__shared__` variable stands in this section.
extern "C" unsigned char __start_emulated_shared[] __attribute__((weak));
extern "C" unsigned char __stop_emulated_shared[] __attribute__((weak));

namespace emulation {
namespace {

enum class State { ready, atBarrier, inWarp, ended };

struct Copy {
    void *shared;
    const void *global;
    unsigned bytes;
    unsigned group;
    bool isValid;
};

struct Fiber {
    jmp_buf context;
    ucontext_t start;
    bool isStarted = false;
    State state = State::ready;
    bool flag = false;
    unsigned mask = 0;
    const char *instruction = "";
    std::vector<Copy> copies;
    unsigned group = 0;
};

/// Lanes of one warp that wait for each other.
struct Gathering {
    unsigned mask, arrived;
    const char *instruction;
};

struct Warp {
    Offer offers[32];
    std::vector<Gathering> gatherings;
    unsigned existing = 0, ended = 0;
};

constexpr size_t mostThreads = 1024;
constexpr size_t stackBytes = 256 << 10;
constexpr size_t guardBytes = 4096;
constexpr unsigned char guardByte = 0xFB;  // as a number, a large negative one
constexpr unsigned char freshByte = 0xFF;  // as a number, NaN

std::mutex oneLaunch;
const Registration *registrations = nullptr;

Fiber fibers[mostThreads];
Warp warps[mostThreads / 32];
unsigned threads, ended, atBarrier;
unsigned current;
int barrierCount;
ucontext_t returning;
jmp_buf scheduler;
unsigned char *stacks = nullptr;
std::vector<unsigned char> sharedStore;
unsigned char *shared;

const Kernel *kernel;
void *const *kernelArguments;
bool hasFailed;
char *failure;
size_t failureCapacity;

void yield_() {
    if (_setjmp(fibers[current].context) == 0) _longjmp(scheduler, 1);
}

void finish(Copy &copy) {
    if (copy.isValid)
        memcpy(copy.shared, copy.global, copy.bytes);
    else
        memset(copy.shared, 0, copy.bytes);
}

void release_barrier() {
    if (atBarrier == 0 || atBarrier + ended < threads) return;
    barrierCount = 0;
    for (unsigned i = 0; i < threads; ++i) {
        if (fibers[i].state != State::atBarrier) continue;
        barrierCount += fibers[i].flag;
        fibers[i].state = State::ready;
    }
    atBarrier = 0;
}

bool is_complete(const Warp &warp, const Gathering &gathering) {
    return ((gathering.arrived | warp.ended) & gathering.mask & warp.existing)
        == (gathering.mask & warp.existing);
}

/// The life of a thread: one kernel call a block.
void live() {
    for (;;) {
        kernel->invoke(kernel->function, kernelArguments);
        Fiber &fiber = fibers[current];
        for (Copy &copy : fiber.copies) finish(copy);
        fiber.copies.clear();
        fiber.state = State::ended;
        ++ended;
        Warp &warp = warps[current / 32];
        warp.ended |= 1u << current % 32;
        for (const Gathering &gathering : warp.gatherings)
            if (is_complete(warp, gathering))
                fail("block (%u, %u, %u): thread %u ended while others of its warp wait for it in %s", blockIdx.x,
                     blockIdx.y, blockIdx.z, current, gathering.instruction);
        release_barrier();
        yield_();
    }
}

void resume(unsigned thread) {
    current = thread;
    threadIdx = {thread, 0, 0};
    Fiber &fiber = fibers[thread];
    if (_setjmp(scheduler) != 0) return;
    if (fiber.isStarted) _longjmp(fiber.context, 1);
    fiber.isStarted = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = stacks + thread * stackBytes + guardBytes;
    fiber.start.uc_stack.ss_size = stackBytes - guardBytes;
    fiber.start.uc_link = &returning;
    makecontext(&fiber.start, live, 0);
    setcontext(&fiber.start);
}

void report_deadlock() {
    char text[600];
    size_t used = 0;
    unsigned waiting = 0;
    for (unsigned i = 0; i < threads; ++i) {
        const Fiber &fiber = fibers[i];
        if (fiber.state == State::ended || ++waiting > 4) continue;
        used += static_cast<size_t>(snprintf(
            text + used, sizeof text - used, "; thread %u waits in %s", i,
            fiber.state == State::atBarrier ? "__syncthreads" : fiber.instruction));
    }
    snprintf(failure, failureCapacity, "%s, block (%u, %u, %u): %u of %u threads wait for ever%s", kernel->name,
             blockIdx.x, blockIdx.y, blockIdx.z, waiting, threads, text);
    hasFailed = true;
}

bool run_block(unsigned seed) {
    ended = atBarrier = 0;
    for (unsigned w = 0; w < (threads + 31) / 32; ++w) {
        warps[w].gatherings.clear();
        warps[w].ended = 0;
        unsigned lanes = threads - w * 32;
        warps[w].existing = lanes >= 32 ? 0xFFFFFFFFu : (1u << lanes) - 1;
    }
    for (unsigned i = 0; i < threads; ++i) {
        fibers[i].state = State::ready;
        fibers[i].group = 0;
        fibers[i].copies.clear();
    }
    if (__start_emulated_shared)
        memset(__start_emulated_shared, freshByte,
               static_cast<size_t>(__stop_emulated_shared - __start_emulated_shared));
    for (unsigned turn = seed; ended < threads; ++turn) {
        bool hasRun = false;
        unsigned first = turn * 7 * 32 % threads;
        for (unsigned k = 0; k < threads; ++k) {
            unsigned i = (first + k) % threads;
            if (turn % 2) i = threads - 1 - i;
            if (fibers[i].state != State::ready) continue;
            hasRun = true;
            resume(i);
            if (hasFailed) return false;
        }
        if (!hasRun) {
            report_deadlock();
            return false;
        }
    }
    return true;
}

bool guards_hold(size_t bytes) {
    for (size_t i = 0; i < guardBytes; ++i)
        if (shared[bytes + i] != guardByte || *(shared - 1 - i) != guardByte) return false;
    return true;
}

const Kernel *find(const char *name) {
    for (const Registration *r = registrations; r; r = r->next)
        for (size_t i = 0; i < r->count; ++i)
            if (strcmp(r->kernels[i].name, name) == 0) return &r->kernels[i];
    return nullptr;
}

int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int refuse(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(failure, failureCapacity, format, list);
    va_end(list);
    return 1;
}

int launch(const unsigned grid[3], size_t sharedBytes) {
    if (!stacks) {
        stacks = static_cast<unsigned char *>(mmap(
            nullptr, mostThreads * stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            -1, 0));
        if (stacks == MAP_FAILED) {
            stacks = nullptr;
            return refuse("no memory for the stacks of the threads");
        }
        for (size_t i = 0; i < mostThreads; ++i) mprotect(stacks + i * stackBytes, guardBytes, PROT_NONE);
    }
    sharedStore.assign(sharedBytes + 2 * guardBytes + 1024, guardByte);
    uintptr_t start = reinterpret_cast<uintptr_t>(sharedStore.data()) + guardBytes;
    shared = reinterpret_cast<unsigned char *>((start + 1023) / 1024 * 1024);
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads, 1, 1};
    unsigned seed = 0;
    for (unsigned z = 0; z < grid[2]; ++z)
        for (unsigned y = 0; y < grid[1]; ++y)
            for (unsigned x = 0; x < grid[0]; ++x) {
                blockIdx = {x, y, z};
                memset(shared, freshByte, sharedBytes);
                if (!run_block(seed++)) {
                    // Threads that were left in the middle of the kernel begin anew.
                    for (Fiber &fiber : fibers) fiber.isStarted = false;
                    return 1;
                }
                if (!guards_hold(sharedBytes))
                    return refuse("%s, block (%u, %u, %u): wrote outside its %zu bytes of dynamic shared memory",
                                  kernel->name, x, y, z, sharedBytes);
            }
    return 0;
}

}  // namespace

void warp_together(unsigned mask, const char *instruction, Complete complete, const void *in, void *out) {
    Fiber &fiber = fibers[current];
    Warp &warp = warps[current / 32];
    unsigned lane = current % 32;
    if (!(mask >> lane & 1)) fail("%s: thread %u is not in its own mask %08x", instruction, current, mask);
    warp.offers[lane] = {in, out};
    fiber.instruction = instruction;
    fiber.mask = mask;
    size_t g = 0;
    while (g < warp.gatherings.size() && warp.gatherings[g].mask != mask) ++g;
    if (g == warp.gatherings.size()) warp.gatherings.push_back({mask, 0, instruction});
    Gathering &gathering = warp.gatherings[g];
    if (strcmp(gathering.instruction, instruction) != 0)
        fail("thread %u is in %s while others of its warp wait in %s", current, instruction, gathering.instruction);
    gathering.arrived |= 1u << lane;
    if (!is_complete(warp, gathering)) {
        fiber.state = State::inWarp;
        yield_();
        return;
    }
    unsigned members = gathering.arrived;
    if (members != (mask & warp.existing))
        fail("%s: lanes %08x of mask %08x have ended", instruction, mask & warp.ended, mask);
    warp.gatherings.erase(warp.gatherings.begin() + static_cast<ptrdiff_t>(g));
    if (complete) complete(warp.offers, members);
    unsigned first = current / 32 * 32;
    for (unsigned l = 0; l < 32; ++l)
        if (members >> l & 1) fibers[first + l].state = State::ready;
}

int block_together(bool flag) {
    fibers[current].flag = flag;
    fibers[current].state = State::atBarrier;
    ++atBarrier;
    release_barrier();
    // The last one to come goes on at once.
    if (fibers[current].state == State::atBarrier) yield_();
    return barrierCount;
}

void start_copy(void *destination, const void *source, unsigned bytes, bool isValid) {
    if (reinterpret_cast<uintptr_t>(destination) % bytes || (isValid && reinterpret_cast<uintptr_t>(source) % bytes))
        fail("thread %u copies %u bytes between addresses that are not multiples of that", current, bytes);
    fibers[current].copies.push_back({destination, source, bytes, fibers[current].group, isValid});
}

void commit_copies() { ++fibers[current].group; }

void wait_for_copies(unsigned pending) {
    Fiber &fiber = fibers[current];
    size_t kept = 0;
    for (Copy &copy : fiber.copies) {
        if (copy.group + pending < fiber.group)
            finish(copy);
        else
            fiber.copies[kept++] = copy;
    }
    fiber.copies.resize(kept);
}

unsigned current_lane() { return current % 32; }
unsigned char *dynamic_shared_memory() { return shared; }

void fail(const char *format, ...) {
    size_t used = static_cast<size_t>(snprintf(failure, failureCapacity, "%s: ", kernel->name));
    if (used < failureCapacity) {
        va_list list;
        va_start(list, format);
        vsnprintf(failure + used, failureCapacity - used, format, list);
        va_end(list);
    }
    hasFailed = true;
    _longjmp(scheduler, 1);
}

Registration::Registration(const Kernel *kernels, size_t count)
    : kernels(kernels), count(count), next(registrations) {
    registrations = this;
}

}  // namespace emulation

int emulate(const char *name, const unsigned grid[3], unsigned block, unsigned sharedBytes, void *const *arguments,
            const size_t *sizes, size_t count, char *message, size_t capacity) {
    using namespace emulation;
    std::lock_guard<std::mutex> lock(oneLaunch);
    hasFailed = false;
    failure = message;
    failureCapacity = capacity;
    kernel = find(name);
    if (!kernel) return refuse("there is no kernel %s", name);
    if (block == 0 || block > mostThreads) return refuse("%s: a block of %u threads", name, block);
    if (count != kernel->parameters)
        return refuse("%s takes %zu arguments, not %zu", name, kernel->parameters, count);
    for (size_t i = 0; i < count; ++i)
        if (sizes[i] != kernel->sizes[i])
            return refuse("%s: argument %zu has %zu bytes, the parameter %zu", name, i, sizes[i], kernel->sizes[i]);
    kernelArguments = arguments;
    threads = block;
    return launch(grid, sharedBytes);
}
