/* Sums over the middle axis of x (outer, mid, inner).

     inner == 1: lines              inner > 1: columns
     x x x x x x x x -> y           x x x x
     x x x x x x x x -> y           x x x x
                                    x x x x
                                    -------
                                    y y y y

   The order of a sum is fixed by the shape. A long middle axis is cut into chunks, a partial sum
   each, and the partial sums are added like one more line or column. In a chunk a line is added
   in 4 times 16 logical lanes, a column eight rows at a time. So the bits do not depend on the
   width of a vector or on threads, and the error grows slowly with the length. */
#ifndef MD_REDUCE_H
#define MD_REDUCE_H

#include "../minidrop.h"
#include "../vec.h"
#include "columns.h"
#include "transpose.h"

enum {
    CHUNK = 16384,         /* elements of x in a chunk, and in an item, about */
    CHUNK_ROWS = 64,       /* rows of a chunk, at least: partial sums stay few */
    PANEL = 2048,          /* columns of an item, at most: their sums stay in L1 */
    CHAINS = 4             /* times 16 lanes of a line */
};

/* How x is cut: groups of whole outer slices where these are small, else chunks and panels. */
typedef struct {
    ptrdiff_t outer, mid, inner;
    ptrdiff_t chunk_rows, chunks, panels, outers_per_item;
} reduce_cut;

static reduce_cut cut_for_sum(ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner)
{
    reduce_cut c = {outer, mid, inner, .outers_per_item = 1};
    c.chunk_rows = inner > 1 ? larger(CHUNK_ROWS, CHUNK / inner) : CHUNK;
    c.chunks = larger(1, ceil_div(mid, c.chunk_rows));
    c.panels = ceil_div(inner, PANEL);
    if (c.chunks == 1 && c.panels == 1)
        c.outers_per_item = larger(1, CHUNK / larger(1, mid * inner));
    return c;
}

INLINE double cut_cost(const reduce_cut *c)
{
    return 0.1 * (double)c->outer * (double)c->mid * (double)c->inner;
}

INLINE vf add_term(vf sum, vf x, const int squares) { return squares ? fma_(x, x, sum) : sum + x; }

/* The 16 lanes of one line. */
INLINE lanes16 sum_of_line(const real *x, ptrdiff_t n, const int squares)
{
    lanes16 sum[CHAINS];
    for (int q = 0; q < CHAINS; q++) sum[q] = lanes_set1(0);
    ptrdiff_t i = 0;
    for (; i + 16 * CHAINS <= n; i += 16 * CHAINS)
        for (int q = 0; q < CHAINS; q++)
            for (int p = 0; p < PARTS; p++)
                sum[q].part[p] = add_term(sum[q].part[p], load(x + i + 16 * q + W * p), squares);
    for (int q = 0; i < n; i += 16, q++)
        for (int p = 0; p < PARTS && i + W * p < n; p++) {
            const vf v = load_some(x + i + W * p, n - i - W * p);
            sum[q].part[p] = add_term(sum[q].part[p], v, squares);
        }
    for (int p = 0; p < PARTS; p++)
        sum[0].part[p] = (sum[0].part[p] + sum[1].part[p]) + (sum[2].part[p] + sum[3].part[p]);
    return sum[0];
}

/* y[l] = the sum of line l of x (lines, n). W lines are folded at once: transposed, the lanes of
   one line stand below each other, and one addition serves them all, in the order of lanes_sum. */
INLINE void sum_lines(real *y, const real *x, ptrdiff_t lines, ptrdiff_t n, const int squares)
{
    if (lines == 1) {
        *y = lanes_sum(sum_of_line(x, n, squares));
        return;
    }
    FOR_VECTORS(l, m, lines) {
        vf lane[PARTS * W];
        memset(lane, 0, sizeof lane);
        for (ptrdiff_t r = 0; r < m; r++) {
            const lanes16 sum = sum_of_line(x + (l + r) * n, n, squares);
            for (int p = 0; p < PARTS; p++) lane[p * W + r] = sum.part[p];
        }
        for (int p = 0; p < PARTS; p++) transpose(lane + p * W);
        for (int half = 8; half; half /= 2)
            for (int i = 0; i < half; i++) lane[i] += lane[i + half];
        store_some(y + l, lane[0], m);
    }
}

INLINE void sum_slices_body(real *y, const real *x, ptrdiff_t slices, ptrdiff_t rows,
                            ptrdiff_t cols, ptrdiff_t inner, const int squares, ptrdiff_t ahead)
{
    if (inner == 1) {
        sum_lines(y, x, slices, rows, squares);
        return;
    }
    for (ptrdiff_t s = 0; s < slices; s++, y += inner, x += rows * inner) {
        memset(y, 0, (size_t)cols * sizeof(real));
        add_rows(y, x, x, x, rows, cols, inner, squares ? SQUARES : PLAIN, ahead);
    }
}

/* `cols` columns of slices of `rows` rows of `inner` reals. */
static void sum_slices(real *y, const real *x, ptrdiff_t slices, ptrdiff_t rows, ptrdiff_t cols,
                       ptrdiff_t inner, int squares, ptrdiff_t ahead)
{
    if (squares) sum_slices_body(y, x, slices, rows, cols, inner, 1, ahead);
    else sum_slices_body(y, x, slices, rows, cols, inner, 0, ahead);
}

static void divide(real *y, ptrdiff_t n, real divisor)
{
    if (divisor != 1)
        for (ptrdiff_t j = 0; j < n; j++) y[j] /= divisor;
}

typedef struct {
    real *y, *part;                /* part (outer, chunks, inner) is y where there is one chunk */
    const real *x;
    reduce_cut cut;
    int squares;
    real divisor;
    ptrdiff_t ahead;               /* as add_rows has it */
} sum_work;

/* One panel of one chunk of one outer slice, or some whole outer slices. */
static void sum_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const sum_work *w = context;
    const reduce_cut *c = &w->cut;
    const ptrdiff_t panel = item % c->panels, chunk = item / c->panels % c->chunks;
    const ptrdiff_t first = item / c->panels / c->chunks * c->outers_per_item;
    const ptrdiff_t last = smaller(c->outer, first + c->outers_per_item);
    const ptrdiff_t row = chunk * c->chunk_rows, column = panel * PANEL;
    const ptrdiff_t rows = smaller(c->chunk_rows, c->mid - row);
    const ptrdiff_t cols = smaller(PANEL, c->inner - column);
    real *to = w->part + (first * c->chunks + chunk) * c->inner + column;
    sum_slices(to, w->x + (first * c->mid + row) * c->inner + column, last - first, rows, cols,
               c->inner, w->squares, w->ahead);
    if (c->chunks == 1) divide(to, (last - first - 1) * c->inner + cols, w->divisor);
}

/* The partial sums of one panel of one outer slice. */
static void sum_parts_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const sum_work *w = context;
    const reduce_cut *c = &w->cut;
    const ptrdiff_t o = item / c->panels, column = item % c->panels * PANEL;
    const ptrdiff_t cols = smaller(PANEL, c->inner - column);
    real *to = w->y + o * c->inner + column;
    sum_slices(to, w->part + o * c->chunks * c->inner + column, 1, c->chunks, cols, c->inner, 0, 0);
    divide(to, cols, w->divisor);
}

static ptrdiff_t sum_scratch(ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner)
{
    const reduce_cut c = cut_for_sum(outer, mid, inner);
    return c.chunks == 1 ? 0 : outer * c.chunks * inner;
}

static void sum(real *y, const real *x, ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner,
                int squares, double divisor, real *scratch)
{
    const ptrdiff_t ahead = is_far(outer * mid * inner) ? ASK_AHEAD : 0;
    sum_work w = {y, y, x, cut_for_sum(outer, mid, inner), squares, (real)divisor, ahead};
    const reduce_cut *c = &w.cut;
    if (c->chunks > 1) w.part = scratch;
    md_parallel_for(ceil_div(outer, c->outers_per_item) * c->chunks * c->panels, cut_cost(c),
                    sum_item, &w);
    if (c->chunks > 1)
        md_parallel_for(outer * c->panels, cut_cost(c) / (double)c->chunk_rows, sum_parts_item, &w);
}

#endif
