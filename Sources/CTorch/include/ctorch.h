// The part of libtorch's stable C ABI that Torch uses (PyTorch >= 2.10), loaded with dlopen.
//
// Nothing here needs PyTorch at build time: the prototypes repeat what
// torch/csrc/stable/c/shim.h and torch/csrc/inductor/aoti_torch/c/shim.h promise to keep.
// Every function returns 0 on success; CT_NOT_LOADED before `ct_load` has succeeded.
#ifndef CTORCH_H
#define CTORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CT_NOT_LOADED (-7001)

typedef struct ct_tensor_opaque *ct_tensor;  // AtenTensorHandle: one owned reference
typedef struct ct_list_opaque *ct_list;      // StableListHandle
typedef struct ct_string_opaque *ct_string;  // StringHandle
typedef uint64_t ct_value;                   // StableIValue: handle, int64, double bits, bool, code

/// Opens the CPU library with RTLD_NOW | RTLD_GLOBAL and resolves the table below.
/// On failure writes dlerror's text (or the missing symbol) into `message`. Loading twice is a no-op.
int32_t ct_load(const char *path, char *message, size_t capacity);
/// Opens libtorch_cuda.so, whose kernels register themselves, and resolves its own functions.
int32_t ct_load_cuda(const char *path, char *message, size_t capacity);
bool ct_is_loaded(void);

/// Message of this thread's last failure; NULL where the library has none (before 2.13).
const char *ct_last_error(void);

/// Calls `op`.`overload`; the arguments stand in `stack` and are consumed, results replace them.
int32_t ct_call(const char *op, const char *overload, ct_value *stack);
/// A heap cell holding `value`, as optional arguments are passed; libtorch frees it.
ct_value ct_optional(ct_value value);

int32_t ct_list_new(size_t capacity, ct_list *result);
int32_t ct_list_append(ct_list list, ct_value value);
int32_t ct_string_new(const char *bytes, size_t length, ct_string *result);

int32_t ct_new_handle(ct_tensor tensor, ct_tensor *result);
int32_t ct_delete(ct_tensor tensor);
int32_t ct_dim(ct_tensor tensor, int64_t *result);
int32_t ct_sizes(ct_tensor tensor, int64_t **result);
int32_t ct_strides(ct_tensor tensor, int64_t **result);
int32_t ct_dtype(ct_tensor tensor, int32_t *result);
int32_t ct_device_type(ct_tensor tensor, int32_t *result);
int32_t ct_device_index(ct_tensor tensor, int32_t *result);
int32_t ct_is_contiguous(ct_tensor tensor, bool *result);
int32_t ct_data(ct_tensor tensor, void **result);
int32_t ct_empty_strided(int64_t dim, const int64_t *sizes, const int64_t *strides, int32_t dtype,
                         int32_t device_type, int32_t device_index, ct_tensor *result);
/// A tensor over memory that the caller keeps alive for the tensor's whole life.
int32_t ct_from_blob(void *data, int64_t dim, const int64_t *sizes, const int64_t *strides,
                     int32_t dtype, int32_t device_type, int32_t device_index, ct_tensor *result);
int32_t ct_copy(ct_tensor destination, ct_tensor source, int32_t non_blocking);
int32_t ct_scalar_float32(float value, ct_tensor *result);
int32_t ct_scalar_int64(int64_t value, ct_tensor *result);
int32_t ct_fill(ct_tensor tensor, double value);
/// self - alpha * other on any device; the only addition whose alpha the C ABI can pass everywhere.
int32_t ct_subtract(ct_tensor self, ct_tensor other, double alpha, ct_tensor *result);
void ct_set_grad_enabled(bool enabled);
int32_t ct_thread_count(uint32_t *result);

/// The stream on which libtorch queues work for this device on this thread.
int32_t ct_cuda_stream(int32_t device, void **stream);
/// result = addend + left right, all matrices on one device; `result` may be `addend`.
int32_t ct_cuda_addmm(ct_tensor result, ct_tensor addend, ct_tensor left, ct_tensor right);

/// Codes of the library's enums, in the order of Torch.DType's cases; -1 when not loaded.
int32_t ct_dtype_code(int32_t which);
int32_t ct_device_code(int32_t which);  // 0 CPU, 1 CUDA
int32_t ct_contiguous_format(void);

/// Adds to this thread's count of tensor handles that Swift holds, and returns it (lifetime tests).
int64_t ct_live(int64_t change);

#endif
