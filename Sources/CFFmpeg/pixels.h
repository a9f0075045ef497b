#ifndef ZIPVL_CFFMPEG_PIXELS_H
#define ZIPVL_CFFMPEG_PIXELS_H

// The inner loop of the resize: Swift's vectors have no multiply-add of pairs, and without it the exact
// 22-bit weights cost four times as much. Every branch gives the same bits.

#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// A weight w is 2^11 high + low with 0 <= low < 2^11, so that both halves and a byte multiply within 32 bits
// and sums stay exact. `weights` holds for each two taps the high halves and then the low halves, each as two
// 16-bit numbers in one 32-bit word, the earlier tap in the lower half.
//
// out[lane] = clamp((2^21 + sum of w[tap] * first[tap * stride + lane]) >> 22), for 16 lanes.
static inline void zvl_blend16(const uint8_t *first, ptrdiff_t stride, const int32_t *weights, int taps,
                               uint8_t *out) {
#if defined(__SSE2__)
    const __m128i zero = _mm_setzero_si128();
    __m128i high[4] = {zero, zero, zero, zero}, low[4] = {zero, zero, zero, zero};
    for (int tap = 0; tap < taps; tap += 2) {
        const uint8_t *even = first + tap * stride;
        const uint8_t *odd = tap + 1 < taps ? even + stride : even;
        const __m128i a = _mm_loadu_si128((const __m128i *)even);
        const __m128i b = _mm_loadu_si128((const __m128i *)odd);
        const __m128i left = _mm_unpacklo_epi8(a, b), right = _mm_unpackhi_epi8(a, b);
        const __m128i pairs[4] = {_mm_unpacklo_epi8(left, zero), _mm_unpackhi_epi8(left, zero),
                                  _mm_unpacklo_epi8(right, zero), _mm_unpackhi_epi8(right, zero)};
        const __m128i upper = _mm_set1_epi32(weights[tap]), lower = _mm_set1_epi32(weights[tap + 1]);
        for (int part = 0; part < 4; part++) {
            high[part] = _mm_add_epi32(high[part], _mm_madd_epi16(pairs[part], upper));
            low[part] = _mm_add_epi32(low[part], _mm_madd_epi16(pairs[part], lower));
        }
    }
    const __m128i half = _mm_set1_epi32(1 << 21);
    for (int part = 0; part < 4; part++) {
        const __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high[part], 11), low[part]), half);
        high[part] = _mm_srai_epi32(sum, 22);
    }
    const __m128i words[2] = {_mm_packs_epi32(high[0], high[1]), _mm_packs_epi32(high[2], high[3])};
    _mm_storeu_si128((__m128i *)out, _mm_packus_epi16(words[0], words[1]));
#else
    int32_t sums[16];
    for (int lane = 0; lane < 16; lane++) sums[lane] = 1 << 21;
    for (int tap = 0; tap < taps; tap++) {
        const int shift = tap % 2 * 16;
        const int32_t high = (int16_t)((uint32_t)weights[tap / 2 * 2] >> shift);
        const int32_t low = (int16_t)((uint32_t)weights[tap / 2 * 2 + 1] >> shift);
        const int32_t weight = high * 2048 + low;
        for (int lane = 0; lane < 16; lane++) sums[lane] += weight * first[tap * stride + lane];
    }
    for (int lane = 0; lane < 16; lane++) {
        const int32_t value = sums[lane] >> 22;
        out[lane] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
#endif
}

// Transposes 16 x 16 bytes: to[column * to_stride + row] = from[row * from_stride + column].
static inline void zvl_transpose16(const uint8_t *from, ptrdiff_t from_stride, uint8_t *to,
                                   ptrdiff_t to_stride) {
#if defined(__SSE2__)
    __m128i a[16], b[16];
    for (int row = 0; row < 16; row++) a[row] = _mm_loadu_si128((const __m128i *)(from + row * from_stride));
    // Interleaving row i with row i + 8, four times over, is the transposition.
    for (int round = 0; round < 2; round++) {
        for (int row = 0; row < 8; row++) {
            b[2 * row] = _mm_unpacklo_epi8(a[row], a[row + 8]);
            b[2 * row + 1] = _mm_unpackhi_epi8(a[row], a[row + 8]);
        }
        for (int row = 0; row < 8; row++) {
            a[2 * row] = _mm_unpacklo_epi8(b[row], b[row + 8]);
            a[2 * row + 1] = _mm_unpackhi_epi8(b[row], b[row + 8]);
        }
    }
    for (int row = 0; row < 16; row++) _mm_storeu_si128((__m128i *)(to + row * to_stride), a[row]);
#else
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 16; column++)
            to[column * to_stride + row] = from[row * from_stride + column];
#endif
}

// How a matrix and range turn YUV into RGB, in the 13-bit fixed point of libswscale's packed output.
typedef struct {
    int16_t luma, luma_offset;  // weight of luma, and its value for black
    int16_t v_to_r, v_to_g, u_to_g, u_to_b;
} zvl_matrix;

// From libswscale's own table of a matrix (sws_getCoefficients).
static inline zvl_matrix zvl_matrix_make(const int *table, int is_full_range) {
    int64_t v_to_r = table[0], u_to_b = table[1], u_to_g = -table[2], v_to_g = -table[3];
    int64_t luma = 1 << 16;
    if (is_full_range) {
        v_to_r = v_to_r * 224 / 255, u_to_b = u_to_b * 224 / 255;
        u_to_g = u_to_g * 224 / 255, v_to_g = v_to_g * 224 / 255;
    } else {
        luma = luma * 255 / 219;
    }
#define ZVL_FIXED(x) ((int16_t)(((x) * (1 << 13) + (1 << 15)) >> 16))
    zvl_matrix matrix = {ZVL_FIXED(luma),   (int16_t)(is_full_range ? 0 : 16),
                         ZVL_FIXED(v_to_r), ZVL_FIXED(v_to_g),
                         ZVL_FIXED(u_to_g), ZVL_FIXED(u_to_b)};
#undef ZVL_FIXED
    return matrix;
}

// Twice the chroma of a row, as libswscale's packed output takes it from two lines: their sum, or one of
// them doubled where both pointers are equal. `out` has the samples from `first - 1` to `first + count`, the
// outermost of the picture repeated.
static inline void zvl_chroma_row(const uint8_t *above, const uint8_t *below, int width, int first, int count,
                                  int16_t *out) {
    for (int i = -1; i <= count; i++) {
        const int x = first + i < 0 ? 0 : first + i >= width ? width - 1 : first + i;
        if (i >= 0 && i + 8 <= count && first + i + 8 <= width) {
            for (int k = 0; k < 8; k++) out[i + 1 + k] = (int16_t)(above[x + k] + below[x + k]);
            i += 7;
        } else {
            out[i + 1] = (int16_t)(above[x] + below[x]);
        }
    }
}

// One row of 4:2:0 as planes of red, green and blue, 16 columns at a time; bit for bit libswscale's.
// `u` and `v` are what zvl_chroma_row gives for the same columns. Writes whole blocks of 16.
static inline void zvl_rgb_row(const uint8_t *luma, const int16_t *u, const int16_t *v, int blocks,
                               zvl_matrix m, uint8_t *red, uint8_t *green, uint8_t *blue) {
    for (int block = 0; block < blocks; block++, luma += 16, u += 8, v += 8) {
#if defined(__SSE2__)
        const __m128i zero = _mm_setzero_si128(), bias = _mm_set1_epi16(1024);
        const __m128i bytes = _mm_loadu_si128((const __m128i *)luma);
        const __m128i black = _mm_set1_epi16(m.luma_offset);
        const __m128i y[2] = {
            _mm_slli_epi16(_mm_sub_epi16(_mm_unpacklo_epi8(bytes, zero), black), 3),
            _mm_slli_epi16(_mm_sub_epi16(_mm_unpackhi_epi8(bytes, zero), black), 3)};
        __m128i chroma[2][2];
        for (int plane = 0; plane < 2; plane++) {
            const int16_t *from = plane == 0 ? u : v;
            const __m128i before = _mm_loadu_si128((const __m128i *)from);
            const __m128i here = _mm_loadu_si128((const __m128i *)(from + 1));
            const __m128i after = _mm_loadu_si128((const __m128i *)(from + 2));
            const __m128i main = _mm_sub_epi16(_mm_add_epi16(here, _mm_slli_epi16(here, 1)), bias);
            const __m128i even = _mm_add_epi16(main, before), odd = _mm_add_epi16(main, after);
            chroma[plane][0] = _mm_unpacklo_epi16(even, odd);
            chroma[plane][1] = _mm_unpackhi_epi16(even, odd);
        }
#define ZVL_PAIR(a, b) _mm_set1_epi32((int)((uint32_t)(uint16_t)(a) | (uint32_t)(uint16_t)(b) << 16))
        const __m128i to_red = ZVL_PAIR(m.luma, m.v_to_r), to_blue = ZVL_PAIR(m.luma, m.u_to_b);
        const __m128i to_green = ZVL_PAIR(m.luma, m.v_to_g), u_to_green = ZVL_PAIR(m.u_to_g, 0);
#undef ZVL_PAIR
        const __m128i half = _mm_set1_epi32(1 << 21);
        __m128i words[3][2];
        for (int part = 0; part < 2; part++) {
            __m128i sums[3][2];
            for (int side = 0; side < 2; side++) {
                const __m128i yu = side == 0 ? _mm_unpacklo_epi16(y[part], chroma[0][part])
                                             : _mm_unpackhi_epi16(y[part], chroma[0][part]);
                const __m128i yv = side == 0 ? _mm_unpacklo_epi16(y[part], chroma[1][part])
                                             : _mm_unpackhi_epi16(y[part], chroma[1][part]);
                const __m128i alone = side == 0 ? _mm_unpacklo_epi16(chroma[0][part], zero)
                                                : _mm_unpackhi_epi16(chroma[0][part], zero);
                sums[0][side] = _mm_madd_epi16(yv, to_red);
                sums[1][side] =
                    _mm_add_epi32(_mm_madd_epi16(yv, to_green), _mm_madd_epi16(alone, u_to_green));
                sums[2][side] = _mm_madd_epi16(yu, to_blue);
            }
            for (int plane = 0; plane < 3; plane++) {
                for (int side = 0; side < 2; side++) {
                    const __m128i sum = _mm_add_epi32(_mm_slli_epi32(sums[plane][side], 6), half);
                    sums[plane][side] = _mm_srai_epi32(sum, 22);
                }
                words[plane][part] = _mm_packs_epi32(sums[plane][0], sums[plane][1]);
            }
        }
        _mm_storeu_si128((__m128i *)(red + 16 * block), _mm_packus_epi16(words[0][0], words[0][1]));
        _mm_storeu_si128((__m128i *)(green + 16 * block), _mm_packus_epi16(words[1][0], words[1][1]));
        _mm_storeu_si128((__m128i *)(blue + 16 * block), _mm_packus_epi16(words[2][0], words[2][1]));
#else
        for (int x = 0; x < 16; x++) {
            const int i = x / 2 + 1, side = x % 2 == 0 ? i - 1 : i + 1;
            const int32_t y = 8 * (luma[x] - m.luma_offset) * m.luma;
            const int32_t cu = 3 * u[i] + u[side] - 1024, cv = 3 * v[i] + v[side] - 1024;
            const int32_t sums[3] = {y + cv * m.v_to_r, y + cv * m.v_to_g + cu * m.u_to_g,
                                     y + cu * m.u_to_b};
            uint8_t *planes[3] = {red, green, blue};
            for (int plane = 0; plane < 3; plane++) {
                const int32_t value = (int32_t)((uint32_t)sums[plane] * 64 + (1 << 21)) >> 22;
                planes[plane][16 * block + x] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
            }
        }
#endif
    }
}

#endif
