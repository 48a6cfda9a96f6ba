/* The vector vocabulary: everything the kernels say about vectors, for one instruction set.

   A unit in isa/ defines MD_REAL (float or double), MD_W (lanes of a vector) and one of MD_AVX512,
   MD_AVX2, MD_SSE, MD_NEON or MD_PORTABLE before it includes this file. Arithmetic is written with
   the compilers' vector extension (a + b, a * b work on `vf`); what the extension cannot say well
   (fma, masks, partial loads) is a verb below.

   Two rules keep results equal to the bit on AVX2, AVX-512 and NEON:
   - a multiply-add is written `fma_(a, b, c)`; the build forbids the compiler to contract its own;
   - a horizontal reduction goes through `lanes16`: 16 logical lanes, one fixed fold, for any W. */
#ifndef MD_VEC_H
#define MD_VEC_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef MD_REAL real;
enum { VB = MD_W * sizeof(real) };                       /* bytes of a vector */
typedef real vf __attribute__((vector_size(VB)));
typedef real vf_any __attribute__((vector_size(VB), aligned(sizeof(real)), may_alias));
typedef uint32_t vu __attribute__((vector_size(VB)));    /* for random bits: VB / 4 lanes */
typedef uint32_t vu_any __attribute__((vector_size(VB), aligned(4), may_alias));

#define W MD_W
#define INLINE static inline __attribute__((always_inline))

/* The integer as wide as a real, in lanes: comparisons give all ones or all zeros. */
#define MD_INT(T) _Generic((T)0, float: (int32_t)0, double: (int64_t)0)
typedef __typeof__(MD_INT(real)) ireal;
typedef ireal vi __attribute__((vector_size(VB)));

INLINE vf load(const real *p) { return *(const vf_any *)p; }
INLINE void store(real *p, vf v) { *(vf_any *)p = v; }
INLINE vf set1(real x) { return x - (vf){0}; }           /* x - 0 is x, for -0.0 and NaN too */
INLINE vf zero(void) { return (vf){0}; }
INLINE vi as_int(vf v) { return (vi)v; }
INLINE vf as_real(vi v) { return (vf)v; }
INLINE vi set1_int(ptrdiff_t x) { return (ireal)x - (vi){0}; }
INLINE vi lane_numbers(void)
{
    vi v;
    for (int i = 0; i < W; i++) v[i] = i;
    return v;
}

#if defined(MD_AVX512)
typedef __mmask16 vm;
INLINE vm first_lanes(ptrdiff_t n) { return n >= 16 ? 0xffff : (vm)((1u << n) - 1); }
INLINE vf load_part(const real *p, ptrdiff_t n)
{
    return (vf)_mm512_maskz_loadu_ps(first_lanes(n), p);
}
INLINE void store_part(real *p, vf v, ptrdiff_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v);
}
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE vf sqrt_(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
INLINE vm lt(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ); }
INLINE vm le(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ); }
INLINE vm eq(vf a, vf b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ); }
INLINE vm is_nan(vf a) { return _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q); }
INLINE vm same(vi a, vi b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
INLINE vm or_(vm a, vm b) { return a | b; }
INLINE vm and_(vm a, vm b) { return a & b; }
INLINE vm not_(vm a) { return ~a; }
/* In a register before it is masked: as the masked operation's own operand, which a compiler likes
   to make of it, what is loaded comes at half the pace on some processors (Zen 5). */
INLINE __m512 made(vf v)
{
    __asm__("" : "+v"(v));
    return (__m512)v;
}
INLINE vf blend(vm m, vf yes, vf no) { return (vf)_mm512_mask_blend_ps(m, made(no), made(yes)); }
INLINE vf keep(vm m, vf v) { return (vf)_mm512_maskz_mov_ps(m, made(v)); }
INLINE vm mask_from_word(uint32_t word, int j) { return (vm)(word >> j); }
INLINE uint32_t bits_from_mask(vm m) { return m; }
/* The lanes that m chooses, moved together. */
INLINE vf compress(vm m, vf v) { return (vf)_mm512_maskz_compress_ps(m, (__m512)v); }

#else /* masks are vectors of all-ones or all-zeros integers */
typedef vi vm;
INLINE vm lt(vf a, vf b) { return a < b; }
INLINE vm le(vf a, vf b) { return a <= b; }
INLINE vm eq(vf a, vf b) { return a == b; }
INLINE vm is_nan(vf a) { return a != a; }
INLINE vm same(vi a, vi b) { return a == b; }
INLINE vm or_(vm a, vm b) { return a | b; }
INLINE vm and_(vm a, vm b) { return a & b; }
INLINE vm not_(vm a) { return ~a; }
INLINE vf blend(vm m, vf yes, vf no) { return as_real((as_int(yes) & m) | (as_int(no) & ~m)); }
INLINE vf keep(vm m, vf v) { return as_real(as_int(v) & m); }
INLINE vm first_lanes(ptrdiff_t n) { return lane_numbers() < ((ireal)n - (vi){0}); }
INLINE vm mask_from_word(uint32_t word, int j)
{
    vi point;
    for (int i = 0; i < W; i++) point[i] = (ireal)((uint64_t)1 << (i + j));
    return (set1_int((ptrdiff_t)word) & point) == point;
}

#if defined(MD_AVX2)
INLINE vf load_part(const real *p, ptrdiff_t n)
{
    return (vf)_mm256_maskload_ps(p, (__m256i)first_lanes(n));
}
/* Not a masked store: it takes AMD's cores a dozen cycles. */
INLINE void store_part(real *p, vf v, ptrdiff_t n)
{
    if (n >= W) {
        *(vf_any *)p = v;
        return;
    }
    __m128 rest = _mm256_castps256_ps128((__m256)v);
    if (n & 4) {
        _mm_storeu_ps(p, rest);
        rest = _mm256_extractf128_ps((__m256)v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, rest);
        rest = _mm_movehl_ps(rest, rest);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, rest);
}
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE vf sqrt_(vf a) { return (vf)_mm256_sqrt_ps((__m256)a); }
INLINE uint32_t bits_from_mask(vm m) { return (uint32_t)_mm256_movemask_ps((__m256)m); }

#else
INLINE vf load_part(const real *p, ptrdiff_t n)
{
    vf v = {0};
    memcpy(&v, p, (size_t)(n < W ? n : W) * sizeof(real));
    return v;
}
INLINE void store_part(real *p, vf v, ptrdiff_t n)
{
    memcpy(p, &v, (size_t)(n < W ? n : W) * sizeof(real));
}
INLINE uint32_t bits_from_mask(vm m)
{
    uint32_t bits = 0;
    for (int i = 0; i < W; i++) bits |= (uint32_t)(m[i] & 1) << i;
    return bits;
}
#if defined(MD_NEON)
INLINE vf fma_(vf a, vf b, vf c)
{
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
INLINE vf sqrt_(vf a) { return (vf)vsqrtq_f32((float32x4_t)a); }
#else /* no fused multiply-add: outside the bit contract, within its stated bounds */
INLINE vf fma_(vf a, vf b, vf c) { return a * b + c; }
INLINE vf sqrt_(vf a)
{
    for (int i = 0; i < W; i++) a[i] = sizeof(real) == 4 ? sqrtf((float)a[i]) : sqrt(a[i]);
    return a;
}
#endif
#endif
#endif

/* mask_from_word: bits j .. j + W - 1 of a word. A constant j costs no shift. */
INLINE vm mask_from_bits(uint32_t bits) { return mask_from_word(bits, 0); }

/* b where either is NaN, and of two zeros. */
#if defined(MD_AVX512)
INLINE vf max_(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vf min_(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(MD_AVX2)
INLINE vf max_(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vf min_(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#else
INLINE vf max_(vf a, vf b) { return blend(lt(b, a), a, b); }
INLINE vf min_(vf a, vf b) { return blend(lt(a, b), a, b); }
#endif

/* The sign bit alone, so that -0 is a number like any other. */
INLINE vi sign_bit(void) { return as_int(set1((real)-0.0)); }
INLINE vf abs_(vf a) { return as_real(as_int(a) & ~sign_bit()); }
INLINE vf copy_sign(vf magnitude, vf sign)
{
    return as_real(as_int(abs_(magnitude)) | (as_int(sign) & sign_bit()));
}

/* 16 logical lanes for horizontal reductions: lane l of a long row holds elements l, l+16, ... */
enum { PARTS = 16 / W };
typedef struct { vf part[PARTS]; } lanes16;

INLINE lanes16 lanes_set1(real x)
{
    lanes16 s;
    for (int p = 0; p < PARTS; p++) s.part[p] = set1(x);
    return s;
}

/* Fold 16 lanes with + : halves onto each other, 8, 4, 2, 1. */
#define MD_HALF(lanes) \
    real __attribute__((vector_size(lanes * sizeof(real)), aligned(sizeof(real)), may_alias))
INLINE real lanes_sum(lanes16 s)
{
    typedef MD_HALF(8) half8;
    typedef MD_HALF(4) half4;
    typedef MD_HALF(2) half2;
    const half8 *eights = (const half8 *)&s, eight = eights[0] + eights[1];
    const half4 *fours = (const half4 *)&eight, four = fours[0] + fours[1];
    const half2 *pairs = (const half2 *)&four, pair = pairs[0] + pairs[1];
    return pair[0] + pair[1];
}

INLINE ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
INLINE ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b) { return a > b ? a : b; }
INLINE ptrdiff_t ceil_div(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }
INLINE ptrdiff_t round_up(ptrdiff_t a, ptrdiff_t b) { return ceil_div(a, b) * b; }

/* ---- whole numbers and exponents in lanes: mathf.h ---- */

enum {
    FRACTION_BITS = sizeof(real) == 4 ? 23 : 52,
    EXPONENT_BIAS = sizeof(real) == 4 ? 127 : 1023
};

/* Adding 1.5 * 2^FRACTION_BITS leaves no bit for a fraction: the sum is rounded to a whole number,
   ties to even, which then stands in the low bits. Subtracting gives it back as a real. All of it
   for numbers below 2^(FRACTION_BITS - 2). */
#define MD_ROUNDER ((real)(sizeof(real) == 4 ? 0x1.8p23 : 0x1.8p52))
INLINE vf round_(vf x) { return (x + set1(MD_ROUNDER)) - set1(MD_ROUNDER); }
INLINE vi to_int(vf whole) { return as_int(whole + set1(MD_ROUNDER)) - as_int(set1(MD_ROUNDER)); }
INLINE vf to_real(vi n) { return as_real(n + as_int(set1(MD_ROUNDER))) - set1(MD_ROUNDER); }

/* 2^n, for the exponents of normal numbers. */
INLINE vf exp2_int(vi n) { return as_real((n + EXPONENT_BIAS) << FRACTION_BITS); }

/* v * 2^n rounded once, for a whole n and a normal v near 1: the first of two factors is exact, so
   that only the second may fall among the denormals, or overflow. */
#if defined(MD_AVX512)
INLINE vf scale_(vf v, vf n) { return (vf)_mm512_scalef_ps((__m512)v, (__m512)n); }
INLINE vf scale_down_(vf v, vf n) { return scale_(v, n); }
#else
INLINE vf scale_(vf v, vf n)
{
    const vi whole = to_int(n), half = whole >> 1;
    return v * exp2_int(half) * exp2_int(whole - half);
}
/* The same for n from -189 to 0. */
INLINE vf scale_down_(vf v, vf n) { return v * exp2_int(to_int(n) + 64) * set1((real)0x1p-64); }
#endif

#include "bytes.h"
#include "loops.h"

#endif
