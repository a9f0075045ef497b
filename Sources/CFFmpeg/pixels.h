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

#endif
