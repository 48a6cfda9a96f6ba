/* The greatest or the least over the middle axis of x (outer, mid, inner), and where it is. NaN
   beats every number, and of equals the first wins. Cut as sums are, but for chunks. */
#ifndef MD_EXTREME_H
#define MD_EXTREME_H

#include "../minidrop.h"
#include "../vec.h"
#include "reduce.h"
#include "transpose.h"

INLINE vm beats(vf a, vf b, const int least)
{
    return or_(least ? lt(a, b) : lt(b, a), is_nan(a));
}

/* The best of a line in every lane's own share of it. */
INLINE vf best_of_line(const real *x, ptrdiff_t n, const int least)
{
    const vf worst = set1(least ? (real)INFINITY : -(real)INFINITY);
    vf best[4] = {worst, worst, worst, worst};
    ptrdiff_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W)
        for (int q = 0; q < 4; q++) {
            const vf v = load(x + i + q * W);
            best[q] = blend(beats(v, best[q], least), v, best[q]);
        }
    for (; i < n; i += W) {
        const ptrdiff_t m = smaller(W, n - i);
        const vf v = blend(first_lanes(m), load_part(x + i, m), worst);
        best[0] = blend(beats(v, best[0], least), v, best[0]);
    }
    for (int q = 1; q < 4; q++) best[0] = blend(beats(best[q], best[0], least), best[q], best[0]);
    return best[0];
}

/* The first place of a value that is there; NaN is wherever one is. */
INLINE ptrdiff_t place_of(real value, const real *x, ptrdiff_t n)
{
    FOR_VECTORS(i, m, n) {
        const vf v = load_some(x + i, m);
        const vm same = value != value ? is_nan(v) : eq(v, set1(value));
        const uint32_t bits = bits_from_mask(and_(same, first_lanes(m)));
        if (bits) return i + __builtin_ctz(bits);
    }
    return 0;
}

/* The value is found first, for W lines at once as in sum_lines, then its first place in each: so
   which of equals wins is no question of lanes. */
INLINE void extreme_lines(real *y, int64_t *place, const real *x, ptrdiff_t lines, ptrdiff_t n,
                          const int least)
{
    FOR_VECTORS(l, m, lines) {
        vf lane[W];
        memset(lane, 0, sizeof lane);
        for (ptrdiff_t r = 0; r < m; r++) lane[r] = best_of_line(x + (l + r) * n, n, least);
        transpose(lane);
        for (int half = W / 2; half; half /= 2)
            for (int i = 0; i < half; i++)
                lane[i] = blend(beats(lane[i + half], lane[i], least), lane[i + half], lane[i]);
        real best[W];
        store(best, lane[0]);
        for (ptrdiff_t r = 0; r < m; r++) {
            const real *line = x + (l + r) * n;
            place[l + r] = place_of(best[r], line, n);
            y[l + r] = line[place[l + r]];
        }
    }
}

/* Columns keep their places in integer lanes. mid is below 2^31. */
INLINE void extreme_columns(real *y, int64_t *place, const real *x, ptrdiff_t rows, ptrdiff_t cols,
                            ptrdiff_t row, const int least)
{
    FOR_VECTORS(j, m, cols) {
        vf best = load_part(x + j, m);
        vi at = {0};
        for (ptrdiff_t k = 1; k < rows; k++) {
            const vf v = m == W ? load(x + k * row + j) : load_part(x + k * row + j, m);
            const vm better = and_(beats(v, best, least), not_(is_nan(best)));
            best = blend(better, v, best);
            at = as_int(blend(better, as_real((ireal)k - (vi){0}), as_real(at)));
        }
        store_part(y + j, best, m);
        for (ptrdiff_t l = 0; l < m; l++) place[j + l] = at[l];
    }
}

typedef struct {
    real *y;
    int64_t *place;
    const real *x;
    reduce_cut cut;
    int least;
} extreme_work;

INLINE void extreme_slices(const extreme_work *w, ptrdiff_t first, ptrdiff_t last, ptrdiff_t column,
                           const int least)
{
    const ptrdiff_t inner = w->cut.inner, mid = w->cut.mid, cols = smaller(PANEL, inner - column);
    if (inner == 1) {
        extreme_lines(w->y + first, w->place + first, w->x + first * mid, last - first, mid, least);
        return;
    }
    for (ptrdiff_t o = first; o < last; o++)
        extreme_columns(w->y + o * inner + column, w->place + o * inner + column,
                        w->x + o * mid * inner + column, mid, cols, inner, least);
}

static void extreme_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const extreme_work *w = context;
    const reduce_cut *c = &w->cut;
    const ptrdiff_t first = item / c->panels * c->outers_per_item;
    const ptrdiff_t last = smaller(c->outer, first + c->outers_per_item);
    const ptrdiff_t column = item % c->panels * PANEL;
    if (w->least) extreme_slices(w, first, last, column, 1);
    else extreme_slices(w, first, last, column, 0);
}

static void extreme(real *y, int64_t *place, const real *x, ptrdiff_t outer, ptrdiff_t mid,
                    ptrdiff_t inner, int least)
{
    extreme_work w = {y, place, x, {outer, mid, inner, mid, 1, ceil_div(inner, PANEL), 1}, least};
    w.cut.outers_per_item = larger(1, CHUNK / larger(1, mid * inner));
    md_parallel_for(ceil_div(outer, w.cut.outers_per_item) * w.cut.panels, cut_cost(&w.cut),
                    extreme_item, &w);
}

#endif
