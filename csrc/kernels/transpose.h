/* Transposing W vectors of W lanes, or few. */
#ifndef MD_TRANSPOSE_H
#define MD_TRANSPOSE_H

#include "../vec.h"

#if MD_W == 8 /* 1 and 2 lanes at a time within halves, then halves: as AVX2 shuffles them */
INLINE void transpose(vf row[W])
{
    vf ones[W], twos[W];
    for (int i = 0; i < W; i += 2) {
        ones[i] = __builtin_shufflevector(row[i], row[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        ones[i + 1] = __builtin_shufflevector(row[i], row[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < W; i += 4)
        for (int j = 0; j < 2; j++) {
            const vf a = ones[i + j], b = ones[i + j + 2];
            twos[i + 2 * j] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
            twos[i + 2 * j + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < 4; i++) {
        row[i] = __builtin_shufflevector(twos[i], twos[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        row[i + 4] = __builtin_shufflevector(twos[i], twos[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}
#else /* log2(W) perfect shuffles of the rows */

/* a0 b0 a1 b1 ... of the lower halves, and of the upper halves. */
#if MD_W == 16
INLINE vf interleave_low(vf a, vf b)
{
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLINE vf interleave_high(vf a, vf b)
{
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
}
#elif MD_W == 4
INLINE vf interleave_low(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
INLINE vf interleave_high(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#else
INLINE vf interleave_low(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 2); }
INLINE vf interleave_high(vf a, vf b) { return __builtin_shufflevector(a, b, 1, 3); }
#endif

/* Perfect shuffles: the columns of so many rows, one behind the other. */
INLINE void shuffle_rows(vf *row, const int rows)
{
    for (int done = 1; done < rows; done *= 2) {
        vf next[W];
        for (int i = 0; i < rows / 2; i++) {
            next[2 * i] = interleave_low(row[i], row[i + rows / 2]);
            next[2 * i + 1] = interleave_high(row[i], row[i + rows / 2]);
        }
        for (int i = 0; i < rows; i++) row[i] = next[i];
    }
}
INLINE void transpose(vf row[W]) { shuffle_rows(row, W); }
#endif

/* Few rows: W columns of FEW_LANES lanes each. */
#if MD_W == 16
enum { FEW_LANES = W / 2 };
typedef real few_lanes __attribute__((vector_size(VB / 2)));
INLINE void transpose_few(few_lanes column[W], vf row[FEW_LANES])
{
    shuffle_rows(row, FEW_LANES);
    for (int i = 0; i < FEW_LANES; i++) {
        column[2 * i] = __builtin_shufflevector(row[i], row[i], 0, 1, 2, 3, 4, 5, 6, 7);
        column[2 * i + 1] = __builtin_shufflevector(row[i], row[i], 8, 9, 10, 11, 12, 13, 14, 15);
    }
}
#else
enum { FEW_LANES = W };
typedef vf few_lanes;
INLINE void transpose_few(few_lanes column[W], vf row[FEW_LANES])
{
    transpose(row);
    for (int i = 0; i < W; i++) column[i] = row[i];
}
#endif

#endif
