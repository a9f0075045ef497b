// The part of CUDA's driver API and of NVRTC that kernels of our own need, loaded with dlopen.
//
// Nothing here needs CUDA at build time: the prototypes repeat what cuda.h and nvrtc.h promise to keep. Every function
// returns 0 on success, the library's own code on failure, CC_NOT_LOADED before the library was loaded.
#ifndef CCUDA_H
#define CCUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CC_NOT_LOADED (-7001)
#define CC_OUT_OF_MEMORY 2  // CUDA_ERROR_OUT_OF_MEMORY

typedef struct cc_context_opaque *cc_context;
typedef struct cc_module_opaque *cc_module;
typedef struct cc_function_opaque *cc_function;
typedef struct cc_stream_opaque *cc_stream;
typedef struct cc_event_opaque *cc_event;
typedef uint64_t cc_address;  // device memory

/// Opens libcuda.so.1 and resolves the table below. On failure writes the reason into `message`.
int32_t cc_load(char *message, size_t capacity);
/// A further function of the driver; NULL where it has none of that name.
void *cc_symbol(const char *name);
/// The driver's words for a code; NULL for none.
const char *cc_error_text(int32_t code);

int32_t cc_device_count(int32_t *count);
int32_t cc_driver_version(int32_t *version);
int32_t cc_device_name(int32_t device, char *name, int32_t capacity);
/// `attribute` as CUdevice_attribute counts.
int32_t cc_device_attribute(int32_t device, int32_t attribute, int32_t *value);
int32_t cc_device_memory(int32_t device, size_t *bytes);
/// The context that libtorch uses too.
int32_t cc_primary_context(int32_t device, cc_context *context);
int32_t cc_make_current(cc_context context);
/// Of the current context.
int32_t cc_memory_info(size_t *free, size_t *total);
int32_t cc_synchronize(void);

int32_t cc_module_load(const void *image, cc_module *module);
int32_t cc_module_function(cc_module module, const char *name, cc_function *function);
/// Raises the limit of dynamic shared memory of one function.
int32_t cc_function_shared_limit(cc_function function, int32_t bytes);
/// `arguments` point to the values, in the order of the kernel's parameters.
int32_t cc_launch(cc_function function, const uint32_t grid[3], uint32_t block, uint32_t shared_bytes,
                  cc_stream stream, void **arguments);

int32_t cc_stream_synchronize(cc_stream stream);
int32_t cc_event_create(bool timing, cc_event *event);
int32_t cc_event_record(cc_event event, cc_stream stream);
int32_t cc_event_synchronize(cc_event event);
int32_t cc_event_milliseconds(cc_event start, cc_event end, float *milliseconds);
int32_t cc_event_destroy(cc_event event);

/// Page-locked host memory that the device can address.
int32_t cc_host_allocate(size_t bytes, void **host, cc_address *device);
int32_t cc_host_free(void *host);
int32_t cc_copy_to_device(cc_address device, const void *host, size_t bytes, cc_stream stream);
int32_t cc_copy_to_host(void *host, cc_address device, size_t bytes, cc_stream stream);

/// Opens NVRTC. `builtins` is the path of libnvrtc-builtins, or NULL where the loader finds it by itself.
int32_t cc_nvrtc_load(const char *path, const char *builtins, char *message, size_t capacity);
bool cc_nvrtc_is_loaded(void);
int32_t cc_nvrtc_version(int32_t *major, int32_t *minor);
/// Compiles `source` for a real architecture (an option names it). `image` and `log` are malloc'ed, `log` also on failure.
int32_t cc_nvrtc_compile(const char *source, const char *name, int32_t option_count, const char *const *options,
                         void **image, size_t *image_bytes, char **log);

#endif
