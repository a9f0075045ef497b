// Frames cut into patches. A row of the matrix is a patch in the order [3, p, p] of a convolution's weight, with zeros up
// to the matrix's width: a convolution that steps by its own size is one product with it.
//
// A block cuts one strip of a frame, S / p patches beside each other. Grid (frames S / p). What is left over at the right
// and at the bottom belongs to no patch.

constexpr int threads = 256;

/// `values(channel, row, column)` of the strip, as packs of the matrix.
template <typename T, typename Values>
__device__ __forceinline__ void write_strip(T *matrix, int side, int patch, int packs, const Values &values) {
    constexpr int count = Pack<T>::count;
    int inStrip = side / patch * packs;
    T *strip = matrix + static_cast<long long>(blockIdx.x) * inStrip * count;
    for (int index = threadIdx.x; index < inStrip; index += threads) {
        int left = index / packs * patch, first = index % packs * count;
        int channel = first / (patch * patch), rest = first - channel * patch * patch;
        int row = rest / patch, column = rest - row * patch;
        float x[count];
#pragma unroll
        for (int i = 0; i < count; ++i) {
            x[i] = channel < 3 ? values(channel, row, left + column) : 0.0f;
            bool endsRow = ++column == patch;
            column = endsRow ? 0 : column;
            row += endsRow;
            bool endsPlane = row == patch;
            row = endsPlane ? 0 : row;
            channel += endsPlane;
        }
        store_pack(strip + static_cast<long long>(index) * count, pack(x));
    }
}

/// frames [N, S, S, 3]; `table` [3, 256] has what a byte of each channel stands for. The strip lies in shared memory.
template <typename T>
__device__ __forceinline__ void cut_bytes(
    const unsigned char *frames, const float *table, T *matrix, int side, int patch, int packs) {
    DYNAMIC_SHARED(unsigned char, strip);
    __shared__ float meanings[3 * 256];
    int strips = side / patch, size = patch * side * 3;
    long long top = static_cast<long long>(blockIdx.x / strips) * side + blockIdx.x % strips * patch;
    const unsigned char *from = frames + top * side * 3;
    for (int i = threadIdx.x; i < 3 * 256; i += threads) meanings[i] = table[i];
    int whole = reinterpret_cast<unsigned long long>(from) % 16 == 0 ? size / 16 : 0;
    for (int i = threadIdx.x; i < whole; i += threads)
        reinterpret_cast<uint4 *>(strip)[i] = load_streaming_16(from + 16 * i);
    for (int i = 16 * whole + threadIdx.x; i < size; i += threads) strip[i] = from[i];
    __syncthreads();
    write_strip(matrix, side, patch, packs, [&](int channel, int row, int column) {
        return meanings[channel * 256 + strip[(row * side + column) * 3 + channel]];
    });
}

/// pixels [N, 3, S, S]
template <typename T>
__device__ __forceinline__ void cut_pixels(const T *pixels, T *matrix, int side, int patch, int packs) {
    int strips = side / patch;
    long long plane = static_cast<long long>(side) * side;
    const T *from = pixels + blockIdx.x / strips * 3 * plane + blockIdx.x % strips * patch * side;
    write_strip(matrix, side, patch, packs, [&](int channel, int row, int column) {
        return to_float(from[channel * plane + row * side + column]);
    });
}

#define PATCHES(suffix, type)                                                                                          \
    KERNEL(threads) patches_of_bytes_##suffix(                                                                         \
        const unsigned char *frames, const float *table, type *matrix, int side, int patch, int packs) {               \
        cut_bytes(frames, table, matrix, side, patch, packs);                                                          \
    }                                                                                                                  \
    KERNEL(threads) patches_of_pixels_##suffix(const type *pixels, type *matrix, int side, int patch, int packs) {     \
        cut_pixels(pixels, matrix, side, patch, packs);                                                                \
    }

PATCHES(bf16, bf16)
PATCHES(f32, float)
