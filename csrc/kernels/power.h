/* x^y = e^(y log x). A float log is not enough: an error of 2^-24 in it is up to 88 times that in
   the power. So the logarithm is kept in two reals, high + low, and so is its product with y. */
#ifndef MD_POWER_H
#define MD_POWER_H

#include "../vec.h"
#include "mathf.h"

/* log x = high + low for 0 < x < inf, to about 2^-30 of itself:
   x = m 2^e with m in [sqrt(1/2), sqrt(2)), log m = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...),
   s = (m - 1) / (m + 1). */
INLINE vf log_in_two(vf x, vf *low)
{
    static const real odd[] = {1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11};
    const vm denormal = lt(x, set1((real)0x1p-126));
    const vi bits = as_int(blend(denormal, x * set1((real)0x1p23), x));
    const vi exponent = (bits - as_int(set1((real)0x1.6a09e6p-1))) >> FRACTION_BITS;
    const vf f = as_real(bits - (exponent << FRACTION_BITS)) - set1(1);
    const vf e = to_real(exponent) - keep(denormal, set1(23));

    const vf sum = f + set1(2), sum_low = f - (sum - set1(2));
    const vf s = f / sum, s_low = (fma_(-s, sum, f) - s * sum_low) / sum;
    const vf square = s * s, square_low = fma_(s, s, -square) + s * (s_low + s_low);
    const vf series = fma_(square_low, set1(odd[0]), square * polynomial(square, odd, 5));
    const vf m_high = s + s, m_low = fma_(m_high, series, s_low + s_low);

    const vf e_high = e * set1(LN2_HIGH);                     /* exact */
    const vf nearly = e_high + m_high;
    const vf rest = ((e_high - nearly) + m_high) + fma_(e, set1(LN2_LOW), m_low);
    const vf high = nearly + rest;
    *low = rest - (high - nearly);
    return high;
}

/* As C's pow, also for zeros, infinities and NaN: anything to the 0 is 1, 1 to anything is 1, a
   negative number needs a whole exponent. 2 ULP; without a fused multiply-add the products
   lose their low parts, and it is 70 ULP. */
INLINE vf pow_(vf x, vf y)
{
    if (sizeof(real) == 8) {
        for (int lane = 0; lane < W; lane++) x[lane] = (real)pow((double)x[lane], (double)y[lane]);
        return x;
    }
    const vf a = copy_sign(x, zero()), size = copy_sign(y, zero()), infinity = set1((real)INFINITY);
    vf low;
    const vf high = log_in_two(a, &low);
    const vf p = y * high;
    const vm near = lt(copy_sign(p, zero()), set1(128));       /* else it overflows or vanishes */
    const vf p_low = keep(near, fma_(y, high, -p) + y * low);
    vf power = exp_(p);
    power = blend(eq(power, infinity), power, fma_(power, p_low, power));

    const vm falling = lt(y, zero());
    power = blend(eq(a, zero()), blend(falling, infinity, zero()), power);
    power = blend(eq(a, infinity), blend(falling, zero(), infinity), power);
    power = blend(eq(a, set1(1)), set1(1), power);
    power = blend(or_(is_nan(x), is_nan(y)), x + y, power);

    /* below 0: from 2^24 on every float is whole, and even */
    const vm small = lt(size, set1((real)0x1p24));
    const vi n = __builtin_convertvector(keep(small, y), vi);
    const vm whole = or_(not_(small), eq(__builtin_convertvector(n, vf), y));
    const vm odd = and_(small, eq(__builtin_convertvector(n & 1, vf), set1(1)));
    const vm negative = lt(copy_sign(set1(1), x), zero());
    power = blend(and_(and_(lt(x, zero()), lt(a, infinity)), not_(whole)), set1((real)NAN), power);
    power = blend(and_(and_(negative, whole), odd), -power, power);
    return blend(or_(eq(y, zero()), eq(x, set1(1))), set1(1), power);
}

#endif
