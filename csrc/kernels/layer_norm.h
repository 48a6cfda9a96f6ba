/* Layer normalization (Ba, Kiros and Hinton, 2016): each row of x (rows, cols) with its own mean
   and variance, then a weight and a bias for each column. */
#ifndef MD_LAYER_NORM_H
#define MD_LAYER_NORM_H

#include "columns.h"
#include "nontemporal.h"

enum { LAYER_ROWS = 16 };       /* of an item, at least: partial sums of dweight stay few */
enum { TOGETHER = 4 };          /* rows that forward sums side by side */

typedef struct {
    real *out, *mean, *inverse;
    const real *dy, *x, *weight, *bias;
    ptrdiff_t rows, cols, item_rows;
    real eps;
    real *slots;                                /* (items, 2, cols), or NULL */
    int past;                                   /* out goes past the caches */
    ptrdiff_t ahead;                            /* reals to what forward asks for, or 0 */
} layer_work;

static ptrdiff_t layer_item_rows(ptrdiff_t cols)
{
    return larger(LAYER_ROWS, CHUNK_REALS / larger(cols, 1));
}

static ptrdiff_t layer_norm_scratch(ptrdiff_t rows, ptrdiff_t cols)
{
    return ceil_div(rows, layer_item_rows(cols)) * 2 * cols;
}

static void for_layer_rows(layer_work *w, md_item *item)
{
    w->item_rows = layer_item_rows(w->cols);
    md_parallel_for(ceil_div(w->rows, w->item_rows), 0.5 * (double)w->rows * (double)w->cols, item,
                    w);
}

/* `count` rows from r on, a constant. A row's sums are one chain each, in which an addition waits
   for the one before it; so a few rows go by side by side. That is no stream that a machine sees,
   so what comes from memory is asked for; and out is written row by row, as a stream. */
INLINE void layer_rows(const layer_work *w, ptrdiff_t r, const int count)
{
    const ptrdiff_t cols = w->cols;
    const real *x = w->x + r * cols;
    lanes16 sum[TOGETHER], squares[TOGETHER];
    vf mean[TOGETHER], inverse[TOGETHER];
    EACH(k, count) sum[k] = squares[k] = lanes_set1(0);
    FOR_LANES16(i, p, m, cols)
        EACH(k, count) {
            if (w->ahead) ask_line(x + k * cols + i + w->ahead);
            sum[k].part[p] += load_some(x + k * cols + i, m);
        }
    EACH(k, count) {
        w->mean[r + k] = lanes_sum(sum[k]) / (real)cols;
        mean[k] = set1(w->mean[r + k]);
    }
    FOR_LANES16(i, p, m, cols)
        EACH(k, count) {
            vf d = load_some(x + k * cols + i, m) - mean[k];
            if (m < W) d = keep(first_lanes(m), d);
            squares[k].part[p] = fma_(d, d, squares[k].part[p]);
        }
    EACH(k, count) {
        inverse[k] = set1(1) / sqrt_(set1(lanes_sum(squares[k]) / (real)cols + w->eps));
        store_part(w->inverse + r + k, inverse[k], 1);
    }
    real *out = w->out + r * cols;
    EACH(k, count) {
        const int past = w->past && at_vector(out);
        FOR_VECTORS(i, m, cols) {
            vf v = (load_some(x + i, m) - mean[k]) * inverse[k];
            if (w->weight) v *= load_some(w->weight + i, m);
            if (w->bias) v += load_some(w->bias + i, m);
            put(out + i, v, m, past);
        }
        x += cols, out += cols;
    }
}

static void layer_norm_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const layer_work *w = context;
    const ptrdiff_t last = smaller(w->rows, (item + 1) * w->item_rows);
    ptrdiff_t r = item * w->item_rows;
    for (; r + TOGETHER <= last; r += TOGETHER) layer_rows(w, r, TOGETHER);
    for (; r < last; r++) layer_rows(w, r, 1);
}

static void layer_norm_forward(real *y, real *mean, real *inverse, const real *x,
                               const real *weight, const real *bias, ptrdiff_t rows,
                               ptrdiff_t cols, double eps)
{
    layer_work w = {y, mean, inverse, NULL, x, weight, bias, rows, cols, .eps = (real)eps,
                    .past = goes_past(y, rows * cols)};
    if (is_far(rows * cols)) w.ahead = larger(ASK_AHEAD, TOGETHER * cols);
    for_layer_rows(&w, layer_norm_item);
}

/* With g = dy weight and xn the normalized x: dx = inverse (g - mean(g) - xn mean(g xn)). */
static void layer_row_backward(const layer_work *w, ptrdiff_t r, real *dweight, real *dbias)
{
    const ptrdiff_t cols = w->cols;
    const real *x = w->x + r * cols, *dy = w->dy + r * cols;
    const vf mean = set1(w->mean[r]), inverse = set1(w->inverse[r]);
    lanes16 sum = lanes_set1(0), along = lanes_set1(0);
    FOR_LANES16(i, p, m, cols) {
        const vf d = load_some(dy + i, m), xn = (load_some(x + i, m) - mean) * inverse;
        const vf g = w->weight ? d * load_some(w->weight + i, m) : d;  /* 0 in lanes past m */
        sum.part[p] += g;
        along.part[p] = fma_(g, m < W ? keep(first_lanes(m), xn) : xn, along.part[p]);
        if (!dweight) continue;
        store_some(dbias + i, load_some(dbias + i, m) + d, m);
        store_some(dweight + i, fma_(d, xn, load_some(dweight + i, m)), m);
    }
    const vf level = set1(lanes_sum(sum) / (real)cols), slope = set1(lanes_sum(along) / (real)cols);
    real *out = w->out + r * cols;
    const int past = w->past && at_vector(out);
    FOR_VECTORS(i, m, cols) {
        const vf d = load_some(dy + i, m), xn = (load_some(x + i, m) - mean) * inverse;
        const vf g = w->weight ? d * load_some(w->weight + i, m) : d;
        put(out + i, inverse * fma_(-xn, slope, g - level), m, past);
    }
}

static void layer_norm_backward_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const layer_work *w = context;
    const ptrdiff_t last = smaller(w->rows, (item + 1) * w->item_rows);
    real *dweight = w->slots ? w->slots + item * 2 * w->cols : NULL;
    if (dweight) memset(dweight, 0, (size_t)(2 * w->cols) * sizeof(real));
    for (ptrdiff_t r = item * w->item_rows; r < last; r++)
        layer_row_backward(w, r, dweight, dweight ? dweight + w->cols : NULL);
}

static void layer_norm_backward(real *dx, real *dweight, real *dbias, const real *dy,
                                const real *x, const real *mean, const real *inverse,
                                const real *weight, ptrdiff_t rows, ptrdiff_t cols, real *scratch)
{
    layer_work w = {dx, (real *)mean, (real *)inverse, dy, x, weight, NULL, rows, cols,
                    .slots = dweight ? scratch : NULL, .past = goes_past(dx, rows * cols)};
    for_layer_rows(&w, layer_norm_backward_item);
    if (!dweight) return;
    memset(dweight, 0, (size_t)cols * sizeof(real));
    memset(dbias, 0, (size_t)cols * sizeof(real));
    for (ptrdiff_t k = 0; k < ceil_div(rows, w.item_rows); k++) {
        const real *slot = w.slots + k * 2 * cols;
        for (ptrdiff_t i = 0; i < cols; i++) dweight[i] += slot[i];
        for (ptrdiff_t i = 0; i < cols; i++) dbias[i] += slot[cols + i];
    }
}

#endif
