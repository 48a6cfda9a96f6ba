/* What stands in memory as bytes and as bits: places of maxima, masks. A part of vec.h. */
#ifndef MD_BYTES_H
#define MD_BYTES_H

/* ---- W small whole numbers as bytes, or the first n < W of them: places.h ---- */

#if defined(MD_AVX512)
INLINE void store_bytes(uint8_t *p, vi v)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)v));
}
INLINE void store_bytes_part(uint8_t *p, vi v, ptrdiff_t n)
{
    _mm_mask_storeu_epi8(p, first_lanes(n), _mm512_cvtepi32_epi8((__m512i)v));
}
INLINE vi load_bytes(const uint8_t *p)
{
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
INLINE vi load_bytes_part(const uint8_t *p, ptrdiff_t n)
{
    return (vi)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first_lanes(n), p));
}
#elif defined(MD_AVX2)
INLINE __m128i as_bytes(vi v)
{
    const __m128i low = _mm256_castsi256_si128((__m256i)v);
    const __m128i pairs = _mm_packus_epi32(low, _mm256_extracti128_si256((__m256i)v, 1));
    return _mm_packus_epi16(pairs, pairs);
}
INLINE void store_bytes(uint8_t *p, vi v) { _mm_storel_epi64((__m128i *)p, as_bytes(v)); }
INLINE vi load_bytes(const uint8_t *p)
{
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

/* Through a word: bytes that were stored one by one would be awaited by the load of them all. */
INLINE void store_bytes_part(uint8_t *p, vi v, ptrdiff_t n)
{
    uint64_t rest = (uint64_t)_mm_cvtsi128_si64(as_bytes(v));
    if (n & 4) memcpy(p, &rest, 4), p += 4, rest >>= 32;
    if (n & 2) memcpy(p, &rest, 2), p += 2, rest >>= 16;
    if (n & 1) *p = (uint8_t)rest;
}
INLINE vi load_bytes_part(const uint8_t *p, ptrdiff_t n)
{
    uint64_t bytes = n & 1 ? p[n - 1] : 0;
    uint16_t two;
    uint32_t four;
    if (n & 2) memcpy(&two, p + (n & 4), 2), bytes = bytes << 16 | two;
    if (n & 4) memcpy(&four, p, 4), bytes = bytes << 32 | four;
    return (vi)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes));
}
#else
INLINE void store_bytes_part(uint8_t *p, vi v, ptrdiff_t n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)v[i];
}
INLINE vi load_bytes_part(const uint8_t *p, ptrdiff_t n)
{
    vi v = {0};
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void store_bytes(uint8_t *p, vi v) { store_bytes_part(p, v, W); }
INLINE vi load_bytes(const uint8_t *p) { return load_bytes_part(p, W); }
#endif

/* ---- bits, from any place on: pack.h, drop_connect.h, drop_block.h ---- */

/* m bits, at most 32, from bit i on; what stands above them is undefined, and no word is read that
   has none of them. */
INLINE uint32_t bits_at(const uint32_t *bits, ptrdiff_t i, ptrdiff_t m)
{
    const int shift = (int)(i % 32);
    const uint32_t low = bits[i / 32] >> shift;
    return shift + m > 32 ? low | bits[i / 32 + 1] << (32 - shift) : low;
}

#endif
