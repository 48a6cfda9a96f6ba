/* exp, log and their relatives, for every lane of a vector.

   For float they are polynomials of our own, made of fma_ and exact steps only, so that AVX2,
   AVX-512 and NEON give the same bits; no libm, no estimates. For double they call libm lane by
   lane. Each polynomial is a minimax one: its float coefficients were found by linear programming
   on a Chebyshev grid, rounded one after the other from the lowest power, the rest fitted again
   each time. `ULP` below is the largest error that was measured, in units in the last place of the
   correctly rounded result, against double over the whole domain, denormal results included.

   NaN in is NaN out, everywhere. */
#ifndef MD_MATHF_H
#define MD_MATHF_H

#include "../vec.h"

/* ln 2 in two parts; the first has so few bits that its product with an exponent is exact. */
#define LN2_HIGH ((real)0.693359375)
#define LN2_LOW ((real)-2.12194440e-4)
#define LOG2_E ((real)1.44269504)

#define MD_EACH_LANE(x, f) \
    do { for (int lane = 0; lane < W; lane++) (x)[lane] = (real)f((double)(x)[lane]); } while (0)

/* c[0] + c[1] x + ... */
INLINE vf polynomial(vf x, const real *c, const int terms)
{
    vf y = set1(c[terms - 1]);
    for (int k = terms - 2; k >= 0; k--) y = fma_(y, x, set1(c[k]));
    return y;
}

/* x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite, 1980): returns r. */
INLINE vf split_exponent(vf x, vf *n)
{
    *n = fma_(x, set1(LOG2_E), set1(MD_ROUNDER)) - set1(MD_ROUNDER);    /* as round_ does */
    return fma_(*n, set1(-LN2_LOW), fma_(*n, set1(-LN2_HIGH), x));
}

/* e^r for |r| <= ln 2 / 2, as 1 + r + r^2 q(r). */
INLINE vf exp_of_split(vf r)
{
    static const real q[] = {0.4999999404, 0.1666652262, 0.04166829214, 0.008368532173,
                             0.001381830312};
    return fma_(r * r, polynomial(r, q, 5), r) + set1(1);
}

/* e^x. 1.1 ULP. Above 88.72 inf, below -103.97 0, denormal results rounded once; 1 at 0. */
INLINE vf exp_(vf x)
{
    if (sizeof(real) == 8) {
        MD_EACH_LANE(x, exp);
        return x;
    }
    vf n;
    const vf r = split_exponent(min_(set1(89), max_(set1(-104), x)), &n);
    return scale_(exp_of_split(r), n);
}

/* e^-|x|: the same bits in fewer steps. */
INLINE vf exp_down_(vf x)
{
    if (sizeof(real) == 8) return exp_(-abs_(x));
    vf n;
    const vf r = split_exponent(max_(set1(-104), -abs_(x)), &n);
    return scale_down_(exp_of_split(r), n);
}

/* e^r - 1 for |r| <= ln 2 / 2, as r + r^2 q(r). */
INLINE vf expm1_of_split(vf r)
{
    static const real q[] = {0.5, 0.1666666567, 0.04166649282, 0.008333547972, 0.001393230865,
                             1.976019121e-4};
    return fma_(r * r, polynomial(r, q, 6), r);
}

/* e^x - 1 without cancellation near 0: 2^n (e^r - 1) + (2^n - 1). 1.5 ULP.
   Above 88.72 inf; below -17.33, and for -inf, -1. -0 gives 0. */
INLINE vf expm1_(vf x)
{
    if (sizeof(real) == 8) {
        MD_EACH_LANE(x, expm1);
        return x;
    }
    vf n;
    const vf p = expm1_of_split(split_exponent(min_(set1(89), max_(set1(-40), x)), &n));
    /* half of it: 2^128 is no float */
    const vf half = exp2_int(to_int(n) - 1);
    const vf y = fma_(half, p, half - set1((real)0.5));
    return blend(eq(n, zero()), p, y + y);
}

/* log(1 + f) + e ln 2 for f in [sqrt(1/2) - 1, sqrt(2) - 1]: f - f^2 / 2 + f^3 q(f), the form of
   Cephes (Moshier, 1989). */
INLINE vf log_of_split(vf f, vf e)
{
    static const real q[] = {0.3333333135, -0.2500081956, 0.2000124156, -0.1662341058,
                             0.1420158595, -0.1315959990, 0.1276214421, -0.07636356354};
    const vf square = f * f;
    vf tail = fma_(square * f, polynomial(f, q, 8), e * set1(LN2_LOW));
    tail = fma_(set1((real)-0.5), square, tail);
    return fma_(e, set1(LN2_HIGH), f + tail);
}

/* A normal x > 0 as (1 + f) 2^e: returns f. */
INLINE vf split_log(vf x, vf *e)
{
    const vi bits = as_int(x);
    const vi exponent = (bits - as_int(set1((real)0x1.6a09e6p-1))) >> FRACTION_BITS;
    *e = to_real(exponent);
    return as_real(bits - (exponent << FRACTION_BITS)) - set1(1);
}

/* log(m 2^e) = e ln 2 + log(1 + f), f = m - 1. 0.9 ULP.
   log_(0) = log_(-0) = -inf, log_(inf) = inf, NaN below 0; denormals are exact like the rest. */
INLINE vf log_(vf x)
{
    if (sizeof(real) == 8) {
        MD_EACH_LANE(x, log);
        return x;
    }
    const vm denormal = lt(x, set1((real)0x1p-126));
    const vm usual = and_(lt(zero(), x), lt(x, set1((real)INFINITY)));
    vf e;
    const vf f = split_log(blend(denormal, x * set1((real)0x1p23), x), &e);
    const vf y = log_of_split(f, e - keep(denormal, set1(23)));
    const vf unusual = blend(lt(x, zero()), set1((real)NAN),
                             blend(eq(x, zero()), set1(-(real)INFINITY), x));
    return blend(usual, y, unusual);
}

/* log(1 + x) for 0 <= x <= 1, what softplus needs, without losing a small x: f is x itself, or
   where that is too large (1 + x) / 2 - 1. 1.5 ULP. */
INLINE vf log1p_unit_(vf x)
{
    if (sizeof(real) == 8) {
        MD_EACH_LANE(x, log1p);
        return x;
    }
    const vm large = lt(set1((real)0.414213562), x);
    const vf f = blend(large, set1((real)0.5) * x - set1((real)0.5), x);
    return log_of_split(f, keep(large, set1(1)));
}

/* With e = e^(2|x|) - 1 it is e / (e + 2), without cancellation anywhere. 2.5 ULP.
   1 with the sign of x from 9.02 on; -0 gives -0. */
INLINE vf tanh_(vf x)
{
    if (sizeof(real) == 8) {
        MD_EACH_LANE(x, tanh);
        return x;
    }
    const vf a = min_(set1((real)9.02), abs_(x));
    vf n;
    const vf p = expm1_of_split(split_exponent(a + a, &n)), power = exp2_int(to_int(n));
    const vf e = fma_(power, p, power - set1(1));
    return copy_sign(e / (e + set1(2)), x);
}

/* 1 / (1 + e^-x), from e = e^-|x| so that neither side overflows or cancels: 1 / (1 + e) or
   e / (1 + e). 2.5 ULP. 1 at inf; denormal below -87.3, 0 below -103.97. */
INLINE vf sigmoid_(vf x)
{
    const vf e = exp_down_(x);
    return blend(lt(x, zero()), e, set1(1)) / (set1(1) + e);
}

/* The normal distribution: the share below x, (1 + erf(x / sqrt 2)) / 2, and in `density`
   e^(-x^2/2) / sqrt(2 pi). 4 ULP and 2.1 ULP, relative, in the lower tail too.

   The lower tail of a = |x| is e^(-a^2/2) R(a), where R falls smoothly from 1/2 like 1 / a. So it
   is a polynomial in t = 1 / (1 + 0.3 a) (Hastings, 1955). a^2 is kept in two parts, because its
   rounding error would be an error of e^(-a^2/2); and what t lost by rounding is put back to first
   order: t R'/R is about 1 + 1.7 t. */
INLINE vf normal_cdf_(vf x, vf *density)
{
    static const real q[] = {0.1196866930,  0.1195718572,  0.1102350503,  0.07839167118,
                             0.09615029395, -0.07941015065, 0.1917672306, -0.2281998098,
                             0.1124294475,  -0.02062228508};
    const vf inverse_root = set1((real)0.398942280401432677939946);
    if (sizeof(real) == 8) {
        vf share = x * set1((real)-0.707106781186547524400844);
        *density = inverse_root * exp_(set1((real)-0.5) * x * x);
        MD_EACH_LANE(share, erfc);
        return set1((real)0.5) * share;
    }
    const vf c = set1((real)0.3), one = set1(1), a = min_(set1(16), abs_(x));
    const vf square = a * a, square_lost = fma_(a, a, -square);
    vf n;
    const vf r = split_exponent(set1((real)-0.5) * square, &n);
    const vf e = scale_down_(exp_of_split(fma_(set1((real)-0.5), square_lost, r)), n);
    *density = inverse_root * e;

    const vf divisor = fma_(c, a, one), t = one / divisor;
    const vf divisor_lost = fma_(c, a, one - divisor);
    const vf t_lost = fma_(-divisor_lost, t, fma_(-divisor, t, one));
    const vf ratio = t * polynomial(t, q, 10);
    const vf tail = e * fma_(ratio, t_lost * fma_(set1((real)1.7), t, one), ratio);
    return blend(lt(x, zero()), tail, one - tail);
}

#endif
