/* Loops over the vectors of a row. The last part of vec.h.

   Most vectors are whole, and the last may not be:   [ W ][ W ][ W ][ m ]

   The whole ones have code of their own, without a question about m: a loop of two rounds, first
   the whole ones and then the end, is unrolled before the compiler looks at what is in it. */
#ifndef MD_LOOPS_H
#define MD_LOOPS_H

/* Loops that are unrolled at once, by four, and not at all. Clang reads gcc's pragma too, but only
   after it has given arrays their place; and of several steps it would have more in registers than
   there are. */
#if defined(__clang__)
#define MD_UNROLLED _Pragma("clang loop unroll(full)")
#define MD_UNROLLED_BY_4 _Pragma("clang loop unroll(disable)")
#define MD_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define MD_UNROLLED _Pragma("GCC unroll 16")
#define MD_UNROLLED_BY_4 _Pragma("GCC unroll 4")
#define MD_ROLLED _Pragma("GCC unroll 1")
#endif

/* A short loop over vectors in an array, unrolled before the array is given its place: it would
   stand in memory. */
#define EACH(i, n) MD_UNROLLED for (int i = 0; i < (n); i++)

#define MD_FIRST_WHOLE_THEN_END(end) MD_UNROLLED for (int end = 0; end < 2; end++)

/* Call `body` for every vector of n reals: i is the first element, m is W, or fewer at the end. No
   `break` in it. */
#define FOR_VECTORS(i, m, n)                                                  \
    MD_FIRST_WHOLE_THEN_END(i##_end)                                          \
        for (ptrdiff_t i = i##_end ? (n) - (n) % W : 0,                       \
             i##_last = i##_end ? (n) : (n) - (n) % W,                        \
             m = i##_end ? (n) - i : W; i < i##_last; i += W)

/* The same by one code for all, for a large body, or few vectors. */
#define FOR_FEW_VECTORS(i, m, n) \
    for (ptrdiff_t i = 0, m; i < (n) && (m = (n) - i < W ? (n) - i : W); i += W)

/* The same for 16 logical lanes: p is the part of lanes16 that the vector goes to, and m what is
   left from i on: W, or anything at the end. No `break` in it. */
#define FOR_LANES16(i, p, m, n)                                               \
    MD_FIRST_WHOLE_THEN_END(i##_end)                                          \
        for (ptrdiff_t i##_row = i##_end ? (n) & -16 : 0,                     \
             i##_last = i##_end ? (n) : (n) & -16;                            \
             i##_row < i##_last; i##_row += 16)                               \
            EACH(p, PARTS)                                                    \
                for (ptrdiff_t i = i##_row + p * W, m = i##_end ? (n) - i : W; m > 0; m = 0)

/* The first m of W lanes, m > 0. */
INLINE vf load_some(const real *p, ptrdiff_t m) { return m >= W ? load(p) : load_part(p, m); }
INLINE void store_some(real *p, vf v, ptrdiff_t m)
{
    if (m >= W) store(p, v);
    else store_part(p, v, m);
}

#endif
