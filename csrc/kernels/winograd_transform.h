/* Winograd's convolution in one dimension: six points, and the ways to them and back.

   A filter of r taps over n = 7 - r outputs is a product of polynomials. Its value at six points
   needs one multiplication a point, six in all, where the plain sum takes n r:

       d (6 inputs)  --to_points-->      v (6) --,
                                                  x  = m (6) --from_points--> y (n outputs)
       w (r taps)    --taps_to_points--> u (6) --'

   r = 3 gives n = 4, and 36 products for 16 outputs of a 3 x 3 kernel where the sum has 144; r = 5
   gives n = 2, and 36 for 4 outputs of 5 x 5, where it has 100. The matrices are Lavin's and Gray's
   B^T, G and A^T (2016). The points are 0, +-3/4, +-3/2 and infinity: their powers are exact in
   binary, and rounding errors are 3 to 5 times smaller than with the usual 0, +-1, +-2.

   Points of opposite sign share an even and an odd part. Each way has its transpose beside it, the
   way that the gradients go back. */
#ifndef MD_WINOGRAD_TRANSFORM_H
#define MD_WINOGRAD_TRANSFORM_H

#include "../vec.h"

enum { POINTS = 6, POINTS2 = POINTS * POINTS };

#define P1 ((real)0.75)             /* the points P1, -P1, P2, -P2, and their powers */
#define P2 ((real)1.5)
#define P1_2 (P1 * P1)
#define P1_3 (P1_2 * P1)
#define P2_2 (P2 * P2)
#define P2_3 (P2_2 * P2)
/* 1 / the product of a point's distances from the other four */
#define SCALE_0 (1 / (P1_2 * P2_2))
#define SCALE_1 (1 / (2 * P1_2 * (P1_2 - P2_2)))
#define SCALE_2 (1 / (2 * P2_2 * (P2_2 - P1_2)))

INLINE vf fma1(real a, vf b, vf c) { return fma_(set1(a), b, c); }

/* v = B^T d */
INLINE void to_points(vf v[POINTS], const vf d[POINTS])
{
    const vf even1 = fma1(-P2_2, d[2], d[4]), odd1 = set1(P1) * fma1(-P2_2, d[1], d[3]);
    const vf even2 = fma1(-P1_2, d[2], d[4]), odd2 = set1(P2) * fma1(-P1_2, d[1], d[3]);
    const vf first = fma1(P1_2 * P2_2, d[0], fma1(-(P1_2 + P2_2), d[2], d[4]));
    v[5] = fma1(P1_2 * P2_2, d[1], fma1(-(P1_2 + P2_2), d[3], d[5]));
    v[0] = first;
    v[1] = even1 + odd1;
    v[2] = even1 - odd1;
    v[3] = even2 + odd2;
    v[4] = even2 - odd2;
}

/* d = B v */
INLINE void to_points_transposed(vf d[POINTS], const vf v[POINTS])
{
    const vf even1 = v[1] + v[2], odd1 = v[1] - v[2], even2 = v[3] + v[4], odd2 = v[3] - v[4];
    const vf v0 = v[0], v5 = v[5];
    d[0] = set1(P1_2 * P2_2) * v0;
    d[1] = fma1(P1_2 * P2_2, v5, fma1(-P1 * P2_2, odd1, set1(-P2 * P1_2) * odd2));
    d[2] = fma1(-(P1_2 + P2_2), v0, fma1(-P2_2, even1, set1(-P1_2) * even2));
    d[3] = fma1(-(P1_2 + P2_2), v5, fma1(P1, odd1, set1(P2) * odd2));
    d[4] = v0 + (even1 + even2);
    d[5] = v5;
}

/* y = A^T m, n = 4 or 2 outputs */
INLINE void from_points(vf *y, const vf m[POINTS], const int n)
{
    const vf even1 = m[1] + m[2], odd1 = m[1] - m[2], even2 = m[3] + m[4], odd2 = m[3] - m[4];
    y[0] = m[0] + (even1 + even2);
    y[1] = fma1(P1, odd1, set1(P2) * odd2);
    if (n == 4) {
        y[2] = fma1(P1_2, even1, set1(P2_2) * even2);
        y[3] = fma1(P1_3, odd1, set1(P2_3) * odd2);
    }
    y[n - 1] += m[5];
}

/* m = A y */
INLINE void from_points_transposed(vf m[POINTS], const vf *y, const int n)
{
    vf even1 = y[0], odd1 = set1(P1) * y[1], even2 = y[0], odd2 = set1(P2) * y[1];
    if (n == 4) {
        even1 = fma1(P1_2, y[2], even1);
        even2 = fma1(P2_2, y[2], even2);
        odd1 = fma1(P1_3, y[3], odd1);
        odd2 = fma1(P2_3, y[3], odd2);
    }
    m[0] = y[0];
    m[5] = y[n - 1];
    m[1] = even1 + odd1;
    m[2] = even1 - odd1;
    m[3] = even2 + odd2;
    m[4] = even2 - odd2;
}

/* u = G w, r = 3 or 5 taps */
INLINE void taps_to_points(vf u[POINTS], const vf *w, const int r)
{
    const vf top = r == 5 ? w[4] : zero(), w3 = r == 5 ? w[3] : zero();
    const vf even1 = fma1(P1_2, fma1(P1_2, top, w[2]), w[0]), odd1 = fma1(P1_2, w3, w[1]);
    const vf even2 = fma1(P2_2, fma1(P2_2, top, w[2]), w[0]), odd2 = fma1(P2_2, w3, w[1]);
    u[0] = set1(SCALE_0) * w[0];
    u[1] = set1(SCALE_1) * fma1(P1, odd1, even1);
    u[2] = set1(SCALE_1) * fma1(-P1, odd1, even1);
    u[3] = set1(SCALE_2) * fma1(P2, odd2, even2);
    u[4] = set1(SCALE_2) * fma1(-P2, odd2, even2);
    u[5] = w[r - 1];
}

/* w = G^T u */
INLINE void taps_to_points_transposed(vf *w, const vf u[POINTS], const int r)
{
    const vf even1 = set1(SCALE_1) * (u[1] + u[2]), odd1 = set1(SCALE_1 * P1) * (u[1] - u[2]);
    const vf even2 = set1(SCALE_2) * (u[3] + u[4]), odd2 = set1(SCALE_2 * P2) * (u[3] - u[4]);
    w[0] = fma1(SCALE_0, u[0], even1 + even2);
    w[1] = odd1 + odd2;
    w[2] = fma1(P1_2, even1, set1(P2_2) * even2);
    if (r == 5) {
        w[3] = fma1(P1_2, odd1, set1(P2_2) * odd2);
        w[4] = fma1(P1_2 * P1_2, even1, set1(P2_2 * P2_2) * even2);
    }
    w[r - 1] += u[5];
}

#endif
