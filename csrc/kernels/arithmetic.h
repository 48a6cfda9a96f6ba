/* Elementwise arithmetic with broadcasting: an op is an expression of vectors, and a loop over one
   row for each way in which its operands may advance. broadcast.h walks from row to row. */
#ifndef MD_ARITHMETIC_H
#define MD_ARITHMETIC_H

#include "../minidrop.h"
#include "../vec.h"
#include "broadcast.h"
#include "map.h"
#include "mathf.h"
#include "nontemporal.h"
#include "power.h"

enum { BOTH_ADVANCE, B_STAYS, A_STAYS };

/* Which operand stays along the rows. */
INLINE int row_form(const md_broadcast *s)
{
    return !s->step[1][0] ? B_STAYS : !s->step[0][0] ? A_STAYS : BOTH_ADVANCE;
}

/* ---- binary ---- */

INLINE vf add_(vf a, vf b) { return a + b; }
INLINE vf sub_(vf a, vf b) { return a - b; }
INLINE vf mul_(vf a, vf b) { return a * b; }
INLINE vf div_(vf a, vf b) { return a / b; }
INLINE vf maximum_(vf a, vf b) { return blend(is_nan(a), a, max_(a, b)); }   /* NaN wins */
INLINE vf minimum_(vf a, vf b) { return blend(is_nan(a), a, min_(a, b)); }

typedef void binary_row(real *y, const real *a, const real *b, ptrdiff_t n, int past);

#define MD_BINARY_ROW(name, op, A, B)                                                       \
    static void name(real *y, const real *a, const real *b, ptrdiff_t n, const int past)    \
    {                                                                                       \
        const vf first_a = set1(*a), first_b = set1(*b);                                    \
        ptrdiff_t i = 0;                                                                    \
        (void)first_a, (void)first_b;                                                       \
        for (; i + W <= n; i += W)                                                          \
            put(y + i, op(A(load(a + i), first_a), B(load(b + i), first_b)), W, past);      \
        const ptrdiff_t m = n - i;                                                          \
        if (m) store_part(y + i, op(A(load_part(a + i, m), first_a),                        \
                                    B(load_part(b + i, m), first_b)), m);                   \
    }
#define ADVANCING(next, first) next
#define STAYING(next, first) first
#define MD_BINARY(op)                                         \
    MD_BINARY_ROW(op##both_advance, op, ADVANCING, ADVANCING) \
    MD_BINARY_ROW(op##b_stays, op, ADVANCING, STAYING)        \
    MD_BINARY_ROW(op##a_stays, op, STAYING, ADVANCING)
#define MD_BINARY_ENTRY(op) {op##both_advance, op##b_stays, op##a_stays}

MD_BINARY(add_)
MD_BINARY(sub_)
MD_BINARY(mul_)
MD_BINARY(div_)
MD_BINARY(maximum_)
MD_BINARY(minimum_)
MD_BINARY(pow_)

/* x to an exponent that stays: up to 4 squares and products, 0.5 is the root, as in NumPy and
   PyTorch; the rest is pow_. */
static void power_row(real *y, const real *x, const real *exponent, ptrdiff_t n, const int past)
{
    const real e = *exponent;
    const int few = e >= -4 && e <= 4 && e == (real)(int)e;
    if (!few && e != (real)0.5) {
        pow_b_stays(y, x, exponent, n, past);
        return;
    }
    FOR_VECTORS(i, m, n) {
        vf base = load_some(x + i, m), power = set1(1);
        for (int left = (int)(e < 0 ? -e : e); left; left /= 2, base *= base)
            if (left & 1) power *= base;
        if (e < 0) power = set1(1) / power;
        if (e == (real)0.5) power = sqrt_(base);
        put(y + i, power, m, past);
    }
}

static binary_row *const binary_rows[][3] = {
    [MD_ADD] = MD_BINARY_ENTRY(add_),
    [MD_SUB] = MD_BINARY_ENTRY(sub_),
    [MD_MUL] = MD_BINARY_ENTRY(mul_),
    [MD_DIV] = MD_BINARY_ENTRY(div_),
    [MD_MAXIMUM] = MD_BINARY_ENTRY(maximum_),
    [MD_MINIMUM] = MD_BINARY_ENTRY(minimum_),
    [MD_POW] = {pow_both_advance, power_row, pow_a_stays},
};

typedef struct { real *y; const real *a, *b; binary_row *row; int past; } binary_work;

static void binary_walk_row(void *context, ptrdiff_t to, const ptrdiff_t at[3], ptrdiff_t n)
{
    const binary_work *w = context;
    w->row(w->y + to, w->a + at[0], w->b + at[1], n, w->past && at_vector(w->y + to));
}

static void binary(real *y, const real *a, const real *b, const md_broadcast *s, int op)
{
    const int past = goes_past(y, elements_of(s));
    binary_work w = {y, a, b, binary_rows[op][row_form(s)], past};
    walk_rows(s, binary_walk_row, &w, op == MD_POW ? 3 : 0.1);
}

/* ---- where ---- */

typedef struct {
    real *y;
    const uint8_t *condition;
    const real *a, *b;
    ptrdiff_t a_step, b_step, condition_step;
} where_work;

/* The compiler makes vectors of this. Nothing is rounded: no bit depends on how. */
INLINE void where_row(real *restrict y, const uint8_t *condition, const real *a, ptrdiff_t a_step,
                      const real *b, ptrdiff_t b_step, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const real yes = a[i * a_step], no = b[i * b_step];
        y[i] = condition[i] ? yes : no;
    }
}

static void where_walk_row(void *context, ptrdiff_t to, const ptrdiff_t at[3], ptrdiff_t n)
{
    const where_work *w = context;
    const real *a = w->a + at[0], *b = w->b + at[1];
    const uint8_t *condition = w->condition + at[2];
    real *y = w->y + to;
    if (!w->condition_step) {
        const real *from = *condition ? a : b;
        const ptrdiff_t step = *condition ? w->a_step : w->b_step;
        for (ptrdiff_t i = 0; i < n; i++) y[i] = from[i * step];
    } else if (w->a_step && w->b_step) where_row(y, condition, a, 1, b, 1, n);
    else if (w->a_step) where_row(y, condition, a, 1, b, 0, n);
    else if (w->b_step) where_row(y, condition, a, 0, b, 1, n);
    else where_row(y, condition, a, 0, b, 0, n);
}

static void where(real *y, const uint8_t *condition, const real *a, const real *b,
                  const md_broadcast *s)
{
    where_work w = {y, condition, a, b, s->step[0][0], s->step[1][0], s->step[2][0]};
    walk_rows(s, where_walk_row, &w, 0.1);
}

/* ---- unary ---- */

MD_MAP(unary_copy, x)
MD_MAP(unary_neg, -x)
MD_MAP(unary_abs, copy_sign(x, zero()))
MD_MAP(unary_sqrt, sqrt_(x))
MD_MAP(unary_exp, exp_(x))
MD_MAP(unary_log, log_(x))
MD_MAP(unary_clip, min_(b, max_(a, x)))   /* NaN stays */

static void unary(real *y, const real *x, ptrdiff_t n, int op)
{
    static map_blocks *const maps[] = {
        [MD_COPY] = unary_copy, [MD_NEG] = unary_neg, [MD_ABS] = unary_abs,
        [MD_SQRT] = unary_sqrt, [MD_EXP] = unary_exp, [MD_LOG] = unary_log,
    };
    map(y, x, x, n, 0, 0, maps[op], op == MD_EXP || op == MD_LOG ? 0.5 : 0.1);
}

static void clip(real *y, const real *x, ptrdiff_t n, double low, double high)
{
    map(y, x, x, n, low, high, unary_clip, 0.1);
}

#endif
