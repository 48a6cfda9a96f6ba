/* Activations: the value and its derivative, side by side.

   In a forward expression x is the input. In a backward one x is what was saved, the output y for
   relu, sigmoid and tanh, whose derivative it tells, the input for the others; z is dy. NaN in is
   NaN out; infinite inputs give the limits: every product of an unbounded x with a factor that
   vanishes is taken of an x that stops where the factor is 0. */
#ifndef MD_ACTIVATION_H
#define MD_ACTIVATION_H

#include "map.h"
#include "mathf.h"

/* ---- piecewise linear ---- */

MD_MAP(relu_forward, max_(zero(), x))
MD_MAP(relu_backward, keep(lt(zero(), x), b * z))

MD_MAP(leaky_relu_forward, blend(lt(zero(), x), x, a * x))
MD_MAP(leaky_relu_backward, blend(lt(zero(), x), z, a * z))

/* ---- exponential: b x above 0, a (e^x - 1) below; SELU is one of them ---- */

MD_MAP(elu_forward, blend(lt(zero(), x), b * x, a * expm1_(x)))
MD_MAP(elu_backward, z * blend(lt(zero(), x), b, a * exp_(x)))

/* ---- gates: x times a distribution function of x ---- */

/* x between -limit and limit, NaN kept. */
INLINE vf within(vf x, double limit)
{
    return min_(set1((real)limit), max_(set1((real)-limit), x));
}
#define GELU_LIMIT (sizeof(real) == 4 ? 16 : 40)
#define SILU_LIMIT (sizeof(real) == 4 ? 104 : 750)

INLINE vf gelu(vf x)
{
    vf density;
    return max_(set1(-GELU_LIMIT), x) * normal_cdf_(x, &density);
}
INLINE vf gelu_slope(vf x)
{
    vf density;
    const vf share = normal_cdf_(x, &density);
    return fma_(within(x, GELU_LIMIT), density, share);
}
MD_MAP(gelu_forward, gelu(x))
MD_MAP(gelu_backward, z * gelu_slope(x))

/* (1 + tanh u) / 2 = sigmoid(2 u), with 2 u = 2 sqrt(2 / pi) (x + 0.044715 x^3). */
#define GELU_LINEAR ((real)1.595769121605730711759)
#define GELU_CUBIC ((real)(1.595769121605730711759 * 0.044715))

INLINE vf gelu_tanh(vf x)
{
    const vf v = max_(set1(-GELU_LIMIT), x);
    return v * sigmoid_(v * fma_(set1(GELU_CUBIC), v * v, set1(GELU_LINEAR)));
}
INLINE vf gelu_tanh_slope(vf x)
{
    const vf v = within(x, GELU_LIMIT), square = v * v;
    const vf s = sigmoid_(v * fma_(set1(GELU_CUBIC), square, set1(GELU_LINEAR)));
    const vf inner = fma_(set1(3 * GELU_CUBIC), square, set1(GELU_LINEAR));
    return fma_(v * inner, s * (set1(1) - s), s);
}
MD_MAP(gelu_tanh_forward, gelu_tanh(x))
MD_MAP(gelu_tanh_backward, z * gelu_tanh_slope(x))

INLINE vf silu_slope(vf x)
{
    const vf v = within(x, SILU_LIMIT), s = sigmoid_(v);
    return fma_(v, s * (set1(1) - s), s);
}
MD_MAP(silu_forward, max_(set1(-SILU_LIMIT), x) * sigmoid_(x))
MD_MAP(silu_backward, z * silu_slope(x))

/* ---- bounded ---- */

MD_MAP(sigmoid_forward, sigmoid_(x))
MD_MAP(sigmoid_backward, z * (x * (set1(1) - x)))

MD_MAP(tanh_forward, tanh_(x))
MD_MAP(tanh_backward, z * fma_(-x, x, set1(1)))

/* ---- softplus: log(1 + e^(a x)) / a ---- */

/* log(1 + e^x), from the side that does not overflow. */
INLINE vf softplus_(vf x) { return max_(zero(), x) + log1p_unit_(exp_down_(x)); }

MD_MAP(softplus_forward, softplus_(a * x) * b)
MD_MAP(softplus_backward, z * sigmoid_(a * x))

typedef struct { map_blocks *forward, *backward; double forward_cost, backward_cost; } activation;

static const activation activations[] = {
    [MD_RELU] = {relu_forward, relu_backward, 0.1, 0.1},
    [MD_LEAKY_RELU] = {leaky_relu_forward, leaky_relu_backward, 0.1, 0.1},
    [MD_ELU] = {elu_forward, elu_backward, 0.6, 0.6},
    [MD_GELU] = {gelu_forward, gelu_backward, 1, 1},
    [MD_GELU_TANH] = {gelu_tanh_forward, gelu_tanh_backward, 0.8, 0.8},
    [MD_SILU] = {silu_forward, silu_backward, 0.8, 0.8},
    [MD_SIGMOID] = {sigmoid_forward, sigmoid_backward, 0.8, 0.1},
    [MD_TANH] = {tanh_forward, tanh_backward, 0.8, 0.1},
    [MD_SOFTPLUS] = {softplus_forward, softplus_backward, 1, 0.8},
};

static void activation_forward(real *y, const real *x, ptrdiff_t n, int kind, double a, double b)
{
    const activation *f = &activations[kind];
    map(y, x, x, n, a, b, f->forward, f->forward_cost);
}

static void activation_backward(real *dx, const real *dy, const real *saved, ptrdiff_t n, int kind,
                                double a, double b)
{
    const activation *f = &activations[kind];
    map(dx, saved, dy, n, a, b, f->backward, f->backward_cost);
}

#endif
