/* softmax and its logarithm along the rows of x (rows, cols).

   Forward, long rows: a row at a time, its elements in the lanes. Short rows: W rows at a time,
   turned so that each has a lane of its own and no lane is idle.

       x[0] = a b c            block:  a d g j
       x[1] = d e f     ->             b e h k       a sum over a row is a sum of
       x[2] = g h i                    c f i l       whole vectors, with no fold
       x[3] = j k l

   Which of the two is a question of cols alone, so a row has one result whatever stands beside it.
   Everything is relative to the greatest element, so that no e^x overflows. A row that holds NaN
   or inf, or only -inf, gives NaN, as in PyTorch. */
#ifndef MD_SOFTMAX_H
#define MD_SOFTMAX_H

#include "../minidrop.h"
#include "mathf.h"
#include "pack.h"

enum { SHORT_ROW = 48 };

typedef struct {
    real *out;
    const real *a, *b;
    ptrdiff_t rows, cols, rows_per_item;
    int log;
} rows_work;

INLINE ptrdiff_t rows_of_item(ptrdiff_t cols) { return round_up(ceil_div(16384, cols), 16); }

static void for_row_items(rows_work *w, md_item *item)
{
    if (w->cols == 0) return;
    w->rows_per_item = rows_of_item(w->cols);
    md_parallel_for(ceil_div(w->rows, w->rows_per_item), 0.5 * (double)w->rows * (double)w->cols,
                    item, w);
}

/* ---- a long row ---- */

/* The greatest element; anything where there is NaN. */
static real row_max(const real *x, ptrdiff_t cols)
{
    const vf least = set1(-(real)INFINITY);
    vf found[4] = {least, least, least, least};
    ptrdiff_t i = 0;
    for (; i + 4 * W <= cols; i += 4 * W)
        for (int q = 0; q < 4; q++) found[q] = max_(found[q], load(x + i + q * W));
    for (; i < cols; i += W) {
        const vf v = load_some(x + i, cols - i);
        found[0] = max_(found[0], blend(first_lanes(cols - i), v, least));
    }
    found[0] = max_(max_(found[0], found[1]), max_(found[2], found[3]));
    real lane[W], most;
    store(lane, found[0]);
    most = lane[0];
    for (int l = 1; l < W; l++) most = lane[l] > most ? lane[l] : most;
    return most;
}

/* The sum of e^(x - max), which are kept in e unless it is NULL; x - max is never above 0. */
INLINE real row_exp(real *e, const real *x, real max, ptrdiff_t cols)
{
    lanes16 sum = lanes_set1(0);
    FOR_LANES16(i, p, m, cols) {
        const vf v = exp_down_(load_some(x + i, m) - set1(max));
        if (e) store_some(e + i, v, m);
        sum.part[p] += m >= W ? v : keep(first_lanes(m), v);
    }
    return lanes_sum(sum);
}

static void long_row_forward(real *y, const real *x, ptrdiff_t cols, const int log)
{
    const real max = row_max(x, cols);
    if (log) {
        const vf shift = log_(set1(row_exp(NULL, x, max, cols)));
        FOR_VECTORS(i, m, cols)
            store_some(y + i, (load_some(x + i, m) - set1(max)) - shift, m);
    } else {
        const vf scale = set1(1) / set1(row_exp(y, x, max, cols));
        FOR_VECTORS(i, m, cols) store_some(y + i, load_some(y + i, m) * scale, m);
    }
}

/* Of any length: there is little to do in an element, so turning short rows would not pay. */
static void row_backward(real *dx, const real *dy, const real *y, ptrdiff_t cols, const int log)
{
    lanes16 lanes = lanes_set1(0);
    FOR_LANES16(i, p, m, cols) {
        const vf d = load_some(dy + i, m);
        lanes.part[p] = log ? lanes.part[p] + d : fma_(d, load_some(y + i, m), lanes.part[p]);
    }
    const vf sum = set1(lanes_sum(lanes));
    FOR_VECTORS(i, m, cols) {
        const vf d = load_some(dy + i, m), v = load_some(y + i, m);
        store_some(dx + i, log ? fma_(-exp_(v), sum, d) : v * (d - sum), m);
    }
}

/* ---- a block of short rows: element j of each in vector j ---- */

INLINE vf block_max(const real *x, ptrdiff_t cols)
{
    vf max = load(x);
    for (ptrdiff_t j = 1; j < cols; j++) max = max_(max, load(x + j * W));
    return max;
}

/* The sums of e^(x - max), which are kept in e unless it is NULL. */
INLINE vf block_exp(real *e, const real *x, vf max, ptrdiff_t cols)
{
    vf sum = zero();
    for (ptrdiff_t j = 0; j < cols; j++) {
        const vf v = exp_down_(load(x + j * W) - max);
        if (e) store(e + j * W, v);
        sum += v;
    }
    return sum;
}

static void block_forward(real *x, ptrdiff_t cols, const int log)
{
    const vf max = block_max(x, cols);
    if (log) {
        const vf shift = log_(block_exp(NULL, x, max, cols));
        for (ptrdiff_t j = 0; j < cols; j++) store(x + j * W, (load(x + j * W) - max) - shift);
    } else {
        const vf scale = set1(1) / block_exp(x, x, max, cols);
        for (ptrdiff_t j = 0; j < cols; j++) store(x + j * W, load(x + j * W) * scale);
    }
}

/* ---- the kernels ---- */

static void softmax_forward_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const rows_work *w = context;
    const ptrdiff_t first = item * w->rows_per_item, cols = w->cols;
    const ptrdiff_t last = smaller(w->rows, first + w->rows_per_item);
    if (cols > SHORT_ROW) {
        for (ptrdiff_t r = first; r < last; r++)
            long_row_forward(w->out + r * cols, w->a + r * cols, cols, w->log);
        return;
    }
    real block[SHORT_ROW * W] = {0};
    for (ptrdiff_t r = first; r < last; r += W) {
        const ptrdiff_t height = smaller(W, last - r);
        copy_transposed(block, W, w->a + r * cols, cols, height, cols);
        block_forward(block, cols, w->log);
        copy_transposed(w->out + r * cols, cols, block, W, cols, height);
    }
}

static void softmax_backward_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const rows_work *w = context;
    const ptrdiff_t first = item * w->rows_per_item, cols = w->cols;
    const ptrdiff_t last = smaller(w->rows, first + w->rows_per_item);
    for (ptrdiff_t r = first; r < last; r++)
        row_backward(w->out + r * cols, w->a + r * cols, w->b + r * cols, cols, w->log);
}

static void softmax_forward(real *y, const real *x, ptrdiff_t rows, ptrdiff_t cols, int log)
{
    rows_work w = {y, x, NULL, rows, cols, .log = log};
    for_row_items(&w, softmax_forward_item);
}

static void softmax_backward(real *dx, const real *dy, const real *y, ptrdiff_t rows,
                             ptrdiff_t cols, int log)
{
    rows_work w = {dx, dy, y, rows, cols, .log = log};
    for_row_items(&w, softmax_backward_item);
}

#endif
