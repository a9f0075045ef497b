// Streams of our own, and work that is recorded on one and launched again as a whole: the part of CUDA's driver API
// that came after what ccuda.h needs. The functions are looked up when the first of them is called; they return as those of
// ccuda.h do, and CC_NOT_LOADED where the driver lacks one.
#ifndef CCUDA_GRAPH_H
#define CCUDA_GRAPH_H

#include "ccuda.h"

typedef struct cc_graph_opaque *cc_graph;
typedef struct cc_graph_exec_opaque *cc_graph_exec;

/// Does not wait for the default stream.
int32_t cc_stream_create(cc_stream *stream);
int32_t cc_stream_destroy(cc_stream stream);

/// What follows on the stream is recorded, not run.
int32_t cc_capture_begin(cc_stream stream);
/// Ends the recording; a recording that failed has no graph.
int32_t cc_capture_end(cc_stream stream, cc_graph *graph);

int32_t cc_graph_instantiate(cc_graph graph, cc_graph_exec *executable);
int32_t cc_graph_destroy(cc_graph graph);
int32_t cc_graph_launch(cc_graph_exec executable, cc_stream stream);
int32_t cc_graph_exec_destroy(cc_graph_exec executable);

/// As `cc_launch`, but the kernel may begin as soon as every block of the one before it allows that: it waits by itself
/// for that kernel's results.
int32_t cc_launch_overlapping(cc_function function, const uint32_t grid[3], uint32_t block, uint32_t shared_bytes,
                              cc_stream stream, void **arguments);

#endif
