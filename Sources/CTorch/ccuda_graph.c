#include "ccuda_graph.h"

#include <pthread.h>
#include <string.h>

// CUlaunchAttribute and CUlaunchConfig of cuda.h: the value is a union of 64 bytes.
typedef struct {
    int32_t id;
    char padding[4];
    union {
        char bytes[64];
        int32_t allowed;
    } value;
} launch_attribute;

typedef struct {
    unsigned grid[3], block[3], shared_bytes;
    cc_stream stream;
    launch_attribute *attributes;
    unsigned attribute_count;
} launch_configuration;

#define PROGRAMMATIC_STREAM_SERIALIZATION 6
#define STREAM_NON_BLOCKING 1
// Only kernels are recorded, and what other threads do meanwhile does not matter to them.
#define CAPTURE_MODE_RELAXED 2

// One line per function: our name for the pointer, its symbol, parameters.
#define GRAPHS(F)                                                                                  \
    F(stream_create, cuStreamCreate, (cc_stream *, unsigned))                                      \
    F(stream_destroy, cuStreamDestroy_v2, (cc_stream))                                             \
    F(capture_begin, cuStreamBeginCapture_v2, (cc_stream, int32_t))                                \
    F(capture_end, cuStreamEndCapture, (cc_stream, cc_graph *))                                    \
    F(instantiate, cuGraphInstantiateWithFlags, (cc_graph_exec *, cc_graph, unsigned long long))   \
    F(graph_destroy, cuGraphDestroy, (cc_graph))                                                   \
    F(graph_launch, cuGraphLaunch, (cc_graph_exec, cc_stream))                                     \
    F(exec_destroy, cuGraphExecDestroy, (cc_graph_exec))                                           \
    F(launch_extended, cuLaunchKernelEx,                                                           \
      (const launch_configuration *, cc_function, void **, void **))

#define FIELD(name, symbol, parameters) int32_t(*name) parameters;
static struct { GRAPHS(FIELD) } cuda;
static bool is_complete;
static pthread_mutex_t resolving = PTHREAD_MUTEX_INITIALIZER;

static bool resolve(void) {
    pthread_mutex_lock(&resolving);
    if (!is_complete) {
        void *address;
        bool found = true;
#define RESOLVE(name, symbol, parameters)                                                          \
    address = cc_symbol(#symbol);                                                                  \
    found = found && address;                                                                      \
    memcpy(&cuda.name, &address, sizeof address);
        GRAPHS(RESOLVE)
        is_complete = found;
    }
    bool result = is_complete;
    pthread_mutex_unlock(&resolving);
    return result;
}

#define GUARD                                                                                      \
    if (!resolve()) return CC_NOT_LOADED

int32_t cc_stream_create(cc_stream *stream) { GUARD; return cuda.stream_create(stream, STREAM_NON_BLOCKING); }
int32_t cc_stream_destroy(cc_stream stream) { GUARD; return cuda.stream_destroy(stream); }
int32_t cc_capture_begin(cc_stream stream) { GUARD; return cuda.capture_begin(stream, CAPTURE_MODE_RELAXED); }
int32_t cc_capture_end(cc_stream stream, cc_graph *graph) { GUARD; return cuda.capture_end(stream, graph); }
int32_t cc_graph_instantiate(cc_graph graph, cc_graph_exec *executable) { GUARD; return cuda.instantiate(executable, graph, 0); }
int32_t cc_graph_destroy(cc_graph graph) { GUARD; return cuda.graph_destroy(graph); }
int32_t cc_graph_launch(cc_graph_exec executable, cc_stream stream) { GUARD; return cuda.graph_launch(executable, stream); }
int32_t cc_graph_exec_destroy(cc_graph_exec executable) { GUARD; return cuda.exec_destroy(executable); }

int32_t cc_launch_overlapping(cc_function function, const uint32_t grid[3], uint32_t block, uint32_t shared_bytes,
                              cc_stream stream, void **arguments) {
    GUARD;
    launch_attribute attribute = {.id = PROGRAMMATIC_STREAM_SERIALIZATION};
    attribute.value.allowed = 1;
    launch_configuration configuration = {
        .grid = {grid[0], grid[1], grid[2]}, .block = {block, 1, 1}, .shared_bytes = shared_bytes,
        .stream = stream, .attributes = &attribute, .attribute_count = 1,
    };
    return cuda.launch_extended(&configuration, function, arguments, NULL);
}
