#include "ctorch.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The stack conventions of PyTorch 2.10, which every later release keeps for callers that name it.
#define BUILD_VERSION ((2ULL << 56) | (10ULL << 48))

// One line per function of the library: result, our name for the pointer, its symbol, parameters.
#define REQUIRED(F)                                                                                \
    F(int32_t, call, torch_call_dispatcher, (const char *, const char *, ct_value *, uint64_t))    \
    F(int32_t, list_new, torch_new_list_reserve_size, (size_t, ct_list *))                         \
    F(int32_t, list_append, torch_list_push_back, (ct_list, ct_value))                             \
    F(int32_t, string_new, torch_new_string_handle, (const char *, size_t, ct_string *))           \
    F(int32_t, thread_count, torch_get_num_threads, (uint32_t *))                                  \
    F(int32_t, new_handle, aoti_torch_new_tensor_handle, (ct_tensor, ct_tensor *))                 \
    F(int32_t, delete_tensor, aoti_torch_delete_tensor_object, (ct_tensor))                        \
    F(int32_t, dim, aoti_torch_get_dim, (ct_tensor, int64_t *))                                    \
    F(int32_t, sizes, aoti_torch_get_sizes, (ct_tensor, int64_t **))                               \
    F(int32_t, strides, aoti_torch_get_strides, (ct_tensor, int64_t **))                           \
    F(int32_t, dtype, aoti_torch_get_dtype, (ct_tensor, int32_t *))                                \
    F(int32_t, device_type, aoti_torch_get_device_type, (ct_tensor, int32_t *))                    \
    F(int32_t, device_index, aoti_torch_get_device_index, (ct_tensor, int32_t *))                  \
    F(int32_t, is_contiguous, aoti_torch_is_contiguous, (ct_tensor, bool *))                       \
    F(int32_t, data, aoti_torch_get_data_ptr, (ct_tensor, void **))                                \
    F(int32_t, empty_strided, aoti_torch_empty_strided,                                            \
      (int64_t, const int64_t *, const int64_t *, int32_t, int32_t, int32_t, ct_tensor *))         \
    F(int32_t, from_blob, aoti_torch_create_tensor_from_blob,                                      \
      (void *, int64_t, const int64_t *, const int64_t *, int64_t, int32_t, int32_t, int32_t,      \
       ct_tensor *))                                                                               \
    F(int32_t, copy, aoti_torch_copy_, (ct_tensor, ct_tensor, int32_t))                            \
    F(int32_t, scalar_float32, aoti_torch_scalar_to_tensor_float32, (float, ct_tensor *))          \
    F(int32_t, scalar_int64, aoti_torch_scalar_to_tensor_int64, (int64_t, ct_tensor *))            \
    F(int32_t, fill, aoti_torch_aten_fill__Scalar, (ct_tensor, double))                            \
    F(int32_t, subtract, aoti_torch_aten_subtract_Tensor,                                          \
      (ct_tensor, ct_tensor, double, ct_tensor *))                                                 \
    F(void, set_grad, aoti_torch_grad_mode_set_enabled, (bool))                                    \
    F(int32_t, cpu, aoti_torch_device_type_cpu, (void))                                            \
    F(int32_t, cuda, aoti_torch_device_type_cuda, (void))                                          \
    F(int32_t, contiguous, aoti_torch_memory_format_contiguous_format, (void))                     \
    F(int32_t, float32, aoti_torch_dtype_float32, (void))                                          \
    F(int32_t, float64, aoti_torch_dtype_float64, (void))                                          \
    F(int32_t, float16, aoti_torch_dtype_float16, (void))                                          \
    F(int32_t, bfloat16, aoti_torch_dtype_bfloat16, (void))                                        \
    F(int32_t, uint8, aoti_torch_dtype_uint8, (void))                                              \
    F(int32_t, int32, aoti_torch_dtype_int32, (void))                                              \
    F(int32_t, int64, aoti_torch_dtype_int64, (void))                                              \
    F(int32_t, boolean, aoti_torch_dtype_bool, (void))                                             \
    F(int32_t, e4m3, aoti_torch_dtype_float8_e4m3fn, (void))

#define FIELD(result, name, symbol, parameters) result(*name) parameters;
static struct {
    REQUIRED(FIELD)
    const char *(*last_error)(void);  // newer than the oldest library supported: may be NULL
} torch;

// Functions of the CUDA library.
#define CUDA(F)                                                                                    \
    F(int32_t, current_stream, aoti_torch_get_current_cuda_stream, (int32_t, void **))             \
    F(int32_t, addmm_out, aoti_torch_cuda_addmm_out,                                               \
      (ct_tensor, ct_tensor, ct_tensor, ct_tensor, double, double))
static struct { CUDA(FIELD) } torch_cuda;
static atomic_bool cuda_loaded;
static atomic_bool loaded;
// Per thread, so that a test can balance its own books while others run beside it.
static _Thread_local int64_t live;

static int32_t explain(char *message, size_t capacity, const char *text) {
    if (message && capacity) snprintf(message, capacity, "%s", text ? text : "unknown");
    return CT_NOT_LOADED;
}

int32_t ct_load(const char *path, char *message, size_t capacity) {
    if (atomic_load(&loaded)) return 0;
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) return explain(message, capacity, dlerror());
    void *address;
#define RESOLVE(result, name, symbol, parameters)                                                  \
    address = dlsym(library, #symbol);                                                             \
    if (!address)                                                                                  \
        return explain(message, capacity, #symbol " is missing: PyTorch 2.10 or newer is needed"); \
    memcpy(&torch.name, &address, sizeof address);
    REQUIRED(RESOLVE)
    address = dlsym(library, "torch_exception_get_what_without_backtrace");
    memcpy(&torch.last_error, &address, sizeof address);
    atomic_store(&loaded, true);
    return 0;
}

int32_t ct_load_cuda(const char *path, char *message, size_t capacity) {
    if (atomic_load(&cuda_loaded)) return 0;
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) return explain(message, capacity, dlerror());
    void *address;
#define RESOLVE_CUDA(result, name, symbol, parameters)                                             \
    address = dlsym(library, #symbol);                                                             \
    if (!address)                                                                                  \
        return explain(message, capacity, #symbol " is missing: PyTorch 2.10 or newer is needed"); \
    memcpy(&torch_cuda.name, &address, sizeof address);
    CUDA(RESOLVE_CUDA)
    atomic_store(&cuda_loaded, true);
    return 0;
}

bool ct_is_loaded(void) { return atomic_load(&loaded); }

const char *ct_last_error(void) {
    return atomic_load(&loaded) && torch.last_error ? torch.last_error() : NULL;
}

#define GUARD                                                                                      \
    if (!atomic_load(&loaded)) return CT_NOT_LOADED

int32_t ct_call(const char *op, const char *overload, ct_value *stack) {
    GUARD;
    return torch.call(op, overload, stack, BUILD_VERSION);
}

ct_value ct_optional(ct_value value) {
    ct_value *cell = malloc(sizeof value);
    if (cell) *cell = value;
    return (ct_value)(uintptr_t)cell;
}

int32_t ct_list_new(size_t capacity, ct_list *result) { GUARD; return torch.list_new(capacity, result); }
int32_t ct_list_append(ct_list list, ct_value value) { GUARD; return torch.list_append(list, value); }
int32_t ct_string_new(const char *bytes, size_t length, ct_string *result) { GUARD; return torch.string_new(bytes, length, result); }
int32_t ct_new_handle(ct_tensor tensor, ct_tensor *result) { GUARD; return torch.new_handle(tensor, result); }
int32_t ct_delete(ct_tensor tensor) { GUARD; return torch.delete_tensor(tensor); }
int32_t ct_dim(ct_tensor tensor, int64_t *result) { GUARD; return torch.dim(tensor, result); }
int32_t ct_sizes(ct_tensor tensor, int64_t **result) { GUARD; return torch.sizes(tensor, result); }
int32_t ct_strides(ct_tensor tensor, int64_t **result) { GUARD; return torch.strides(tensor, result); }
int32_t ct_dtype(ct_tensor tensor, int32_t *result) { GUARD; return torch.dtype(tensor, result); }
int32_t ct_device_type(ct_tensor tensor, int32_t *result) { GUARD; return torch.device_type(tensor, result); }
int32_t ct_device_index(ct_tensor tensor, int32_t *result) { GUARD; return torch.device_index(tensor, result); }
int32_t ct_is_contiguous(ct_tensor tensor, bool *result) { GUARD; return torch.is_contiguous(tensor, result); }
int32_t ct_data(ct_tensor tensor, void **result) { GUARD; return torch.data(tensor, result); }

int32_t ct_empty_strided(int64_t dim, const int64_t *sizes, const int64_t *strides, int32_t dtype,
                         int32_t device_type, int32_t device_index, ct_tensor *result) {
    GUARD;
    return torch.empty_strided(dim, sizes, strides, dtype, device_type, device_index, result);
}

int32_t ct_from_blob(void *data, int64_t dim, const int64_t *sizes, const int64_t *strides,
                     int32_t dtype, int32_t device_type, int32_t device_index, ct_tensor *result) {
    GUARD;
    return torch.from_blob(data, dim, sizes, strides, 0, dtype, device_type, device_index, result);
}

int32_t ct_copy(ct_tensor destination, ct_tensor source, int32_t non_blocking) {
    GUARD;
    return torch.copy(destination, source, non_blocking);
}

int32_t ct_scalar_float32(float value, ct_tensor *result) { GUARD; return torch.scalar_float32(value, result); }
int32_t ct_scalar_int64(int64_t value, ct_tensor *result) { GUARD; return torch.scalar_int64(value, result); }
int32_t ct_fill(ct_tensor tensor, double value) { GUARD; return torch.fill(tensor, value); }

int32_t ct_subtract(ct_tensor self, ct_tensor other, double alpha, ct_tensor *result) {
    GUARD;
    return torch.subtract(self, other, alpha, result);
}

void ct_set_grad_enabled(bool enabled) {
    if (atomic_load(&loaded)) torch.set_grad(enabled);
}

int32_t ct_thread_count(uint32_t *result) { GUARD; return torch.thread_count(result); }

int32_t ct_dtype_code(int32_t which) {
    if (!atomic_load(&loaded)) return -1;
    int32_t (*codes[])(void) = {torch.float32, torch.float64, torch.float16, torch.bfloat16,
                                torch.uint8,   torch.int32,   torch.int64,   torch.boolean,
                                torch.e4m3};
    int32_t count = sizeof codes / sizeof codes[0];
    return which >= 0 && which < count ? codes[which]() : -1;
}

int32_t ct_device_code(int32_t which) {
    if (!atomic_load(&loaded)) return -1;
    return which == 1 ? torch.cuda() : torch.cpu();
}

int32_t ct_contiguous_format(void) { return atomic_load(&loaded) ? torch.contiguous() : -1; }

int64_t ct_live(int64_t change) { return live += change; }

#define CUDA_GUARD                                                                                 \
    if (!atomic_load(&cuda_loaded)) return CT_NOT_LOADED

int32_t ct_cuda_stream(int32_t device, void **stream) { CUDA_GUARD; return torch_cuda.current_stream(device, stream); }

int32_t ct_cuda_addmm(ct_tensor result, ct_tensor addend, ct_tensor left, ct_tensor right) {
    CUDA_GUARD;
    return torch_cuda.addmm_out(result, addend, left, right, 1, 1);
}
