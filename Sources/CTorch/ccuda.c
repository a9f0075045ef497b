#include "ccuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One line per function: our name for the pointer, its symbol, parameters.
#define DRIVER(F)                                                                                  \
    F(init, cuInit, (unsigned))                                                                    \
    F(driver_version, cuDriverGetVersion, (int32_t *))                                             \
    F(error_string, cuGetErrorString, (int32_t, const char **))                                    \
    F(device_count, cuDeviceGetCount, (int32_t *))                                                 \
    F(device_name, cuDeviceGetName, (char *, int32_t, int32_t))                                    \
    F(device_attribute, cuDeviceGetAttribute, (int32_t *, int32_t, int32_t))                       \
    F(device_memory, cuDeviceTotalMem_v2, (size_t *, int32_t))                                     \
    F(primary_context, cuDevicePrimaryCtxRetain, (cc_context *, int32_t))                          \
    F(make_current, cuCtxSetCurrent, (cc_context))                                                 \
    F(synchronize, cuCtxSynchronize, (void))                                                       \
    F(memory_info, cuMemGetInfo_v2, (size_t *, size_t *))                                          \
    F(module_load, cuModuleLoadData, (cc_module *, const void *))                                  \
    F(module_function, cuModuleGetFunction, (cc_function *, cc_module, const char *))              \
    F(function_attribute, cuFuncSetAttribute, (cc_function, int32_t, int32_t))                     \
    F(launch, cuLaunchKernel,                                                                      \
      (cc_function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,          \
       cc_stream, void **, void **))                                                               \
    F(stream_synchronize, cuStreamSynchronize, (cc_stream))                                        \
    F(event_create, cuEventCreate, (cc_event *, unsigned))                                         \
    F(event_record, cuEventRecord, (cc_event, cc_stream))                                          \
    F(event_synchronize, cuEventSynchronize, (cc_event))                                           \
    F(event_elapsed, cuEventElapsedTime, (float *, cc_event, cc_event))                            \
    F(event_destroy, cuEventDestroy_v2, (cc_event))                                                \
    F(host_allocate, cuMemHostAlloc, (void **, size_t, unsigned))                                  \
    F(host_address, cuMemHostGetDevicePointer_v2, (cc_address *, void *, unsigned))                \
    F(host_free, cuMemFreeHost, (void *))                                                          \
    F(copy_to_device, cuMemcpyHtoDAsync_v2, (cc_address, const void *, size_t, cc_stream))         \
    F(copy_to_host, cuMemcpyDtoHAsync_v2, (void *, cc_address, size_t, cc_stream))

typedef struct nvrtc_program_opaque *nvrtc_program;
#define NVRTC(F)                                                                                   \
    F(version, nvrtcVersion, (int32_t *, int32_t *))                                               \
    F(create, nvrtcCreateProgram,                                                                  \
      (nvrtc_program *, const char *, const char *, int32_t, const char *const *,                  \
       const char *const *))                                                                       \
    F(compile, nvrtcCompileProgram, (nvrtc_program, int32_t, const char *const *))                 \
    F(image_size, nvrtcGetCUBINSize, (nvrtc_program, size_t *))                                    \
    F(image, nvrtcGetCUBIN, (nvrtc_program, char *))                                               \
    F(log_size, nvrtcGetProgramLogSize, (nvrtc_program, size_t *))                                 \
    F(log, nvrtcGetProgramLog, (nvrtc_program, char *))                                            \
    F(destroy, nvrtcDestroyProgram, (nvrtc_program *))

#define FIELD(name, symbol, parameters) int32_t(*name) parameters;
static struct { DRIVER(FIELD) } cuda;
static struct { NVRTC(FIELD) } nvrtc;
static void *driver_library;
static atomic_bool driver_loaded, nvrtc_loaded;
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static int32_t explain(char *message, size_t capacity, const char *text) {
    if (message && capacity) snprintf(message, capacity, "%s", text ? text : "unknown");
    return CC_NOT_LOADED;
}

#define RESOLVE(table, name, symbol)                                                               \
    address = dlsym(library, #symbol);                                                             \
    if (!address) return explain(message, capacity, #symbol " is missing");                        \
    memcpy(&table.name, &address, sizeof address);

static int32_t load_driver(char *message, size_t capacity) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL), *address;
    if (!library) return explain(message, capacity, dlerror());
#define RESOLVE_DRIVER(name, symbol, parameters) RESOLVE(cuda, name, symbol)
    DRIVER(RESOLVE_DRIVER)
    int32_t code = cuda.init(0);
    if (code) {
        const char *text = NULL;
        cuda.error_string(code, &text);
        explain(message, capacity, text);
        return code;
    }
    driver_library = library;
    atomic_store(&driver_loaded, true);
    return 0;
}

int32_t cc_load(char *message, size_t capacity) {
    if (atomic_load(&driver_loaded)) return 0;
    pthread_mutex_lock(&loading);
    int32_t code = atomic_load(&driver_loaded) ? 0 : load_driver(message, capacity);
    pthread_mutex_unlock(&loading);
    return code;
}

void *cc_symbol(const char *name) {
    return atomic_load(&driver_loaded) ? dlsym(driver_library, name) : NULL;
}

static int32_t load_nvrtc(const char *path, const char *builtins, char *message, size_t capacity) {
    // NVRTC looks for its other half by name: once it is loaded, the name is found.
    if (builtins && !dlopen(builtins, RTLD_NOW | RTLD_GLOBAL))
        return explain(message, capacity, dlerror());
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL), *address;
    if (!library) return explain(message, capacity, dlerror());
#define RESOLVE_NVRTC(name, symbol, parameters) RESOLVE(nvrtc, name, symbol)
    NVRTC(RESOLVE_NVRTC)
    atomic_store(&nvrtc_loaded, true);
    return 0;
}

int32_t cc_nvrtc_load(const char *path, const char *builtins, char *message, size_t capacity) {
    if (atomic_load(&nvrtc_loaded)) return 0;
    pthread_mutex_lock(&loading);
    int32_t code = atomic_load(&nvrtc_loaded) ? 0 : load_nvrtc(path, builtins, message, capacity);
    pthread_mutex_unlock(&loading);
    return code;
}

bool cc_nvrtc_is_loaded(void) { return atomic_load(&nvrtc_loaded); }

#define GUARD                                                                                      \
    if (!atomic_load(&driver_loaded)) return CC_NOT_LOADED

const char *cc_error_text(int32_t code) {
    const char *text = NULL;
    if (!atomic_load(&driver_loaded) || cuda.error_string(code, &text)) return NULL;
    return text;
}

int32_t cc_device_count(int32_t *count) { GUARD; return cuda.device_count(count); }
int32_t cc_driver_version(int32_t *version) { GUARD; return cuda.driver_version(version); }
int32_t cc_device_name(int32_t device, char *name, int32_t capacity) { GUARD; return cuda.device_name(name, capacity, device); }
int32_t cc_device_attribute(int32_t device, int32_t attribute, int32_t *value) { GUARD; return cuda.device_attribute(value, attribute, device); }
int32_t cc_device_memory(int32_t device, size_t *bytes) { GUARD; return cuda.device_memory(bytes, device); }
int32_t cc_primary_context(int32_t device, cc_context *context) { GUARD; return cuda.primary_context(context, device); }
int32_t cc_make_current(cc_context context) { GUARD; return cuda.make_current(context); }
int32_t cc_memory_info(size_t *free, size_t *total) { GUARD; return cuda.memory_info(free, total); }
int32_t cc_synchronize(void) { GUARD; return cuda.synchronize(); }
int32_t cc_module_load(const void *image, cc_module *module) { GUARD; return cuda.module_load(module, image); }
int32_t cc_module_function(cc_module module, const char *name, cc_function *function) { GUARD; return cuda.module_function(function, module, name); }

int32_t cc_function_shared_limit(cc_function function, int32_t bytes) {
    GUARD;
    // A multiprocessor that must divide its memory anew between two kernels has to be empty first: those that take much
    // all want the same division, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT in percent. It is a hint.
    if (bytes >= 32 << 10) (void)cuda.function_attribute(function, 9, 100);
    return cuda.function_attribute(function, 8, bytes);  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
}

int32_t cc_launch(cc_function function, const uint32_t grid[3], uint32_t block, uint32_t shared_bytes,
                  cc_stream stream, void **arguments) {
    GUARD;
    return cuda.launch(function, grid[0], grid[1], grid[2], block, 1, 1, shared_bytes, stream, arguments, NULL);
}

int32_t cc_stream_synchronize(cc_stream stream) { GUARD; return cuda.stream_synchronize(stream); }

int32_t cc_event_create(bool timing, cc_event *event) {
    GUARD;
    return cuda.event_create(event, timing ? 0 : 2);  // CU_EVENT_DISABLE_TIMING
}

int32_t cc_event_record(cc_event event, cc_stream stream) { GUARD; return cuda.event_record(event, stream); }
int32_t cc_event_synchronize(cc_event event) { GUARD; return cuda.event_synchronize(event); }
int32_t cc_event_milliseconds(cc_event start, cc_event end, float *milliseconds) { GUARD; return cuda.event_elapsed(milliseconds, start, end); }
int32_t cc_event_destroy(cc_event event) { GUARD; return cuda.event_destroy(event); }

int32_t cc_host_allocate(size_t bytes, void **host, cc_address *device) {
    GUARD;
    int32_t code = cuda.host_allocate(host, bytes, 3);  // CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP
    if (code) return code;
    code = cuda.host_address(device, *host, 0);
    if (code) cuda.host_free(*host);
    return code;
}

int32_t cc_host_free(void *host) { GUARD; return cuda.host_free(host); }
int32_t cc_copy_to_device(cc_address device, const void *host, size_t bytes, cc_stream stream) { GUARD; return cuda.copy_to_device(device, host, bytes, stream); }
int32_t cc_copy_to_host(void *host, cc_address device, size_t bytes, cc_stream stream) { GUARD; return cuda.copy_to_host(host, device, bytes, stream); }

int32_t cc_nvrtc_version(int32_t *major, int32_t *minor) {
    return atomic_load(&nvrtc_loaded) ? nvrtc.version(major, minor) : CC_NOT_LOADED;
}

int32_t cc_nvrtc_compile(const char *source, const char *name, int32_t option_count, const char *const *options,
                         void **image, size_t *image_bytes, char **log) {
    *image = NULL;
    *log = NULL;
    if (!atomic_load(&nvrtc_loaded)) return CC_NOT_LOADED;
    nvrtc_program program;
    int32_t code = nvrtc.create(&program, source, name, 0, NULL, NULL);
    if (code) return code;
    code = nvrtc.compile(program, option_count, options);
    size_t size = 0;
    if (!nvrtc.log_size(program, &size) && size > 1 && (*log = malloc(size))) nvrtc.log(program, *log);
    if (!code) code = nvrtc.image_size(program, image_bytes);
    if (!code && (*image = malloc(*image_bytes))) code = nvrtc.image(program, *image);
    nvrtc.destroy(&program);
    return code;
}
