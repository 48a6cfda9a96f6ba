/* Losses that deserve a pass of their own: cross entropy with its softmax, and the binary one. */
#ifndef MD_LOSS_H
#define MD_LOSS_H

#include "activation.h"
#include "softmax.h"

/* ---- cross entropy ----

   With p = softmax(x) and the target t = (1 - s) at the label + s / cols everywhere,
     loss = - sum t log p = log sum e^(x - max) - (1 - s) (x[label] - max) - s mean(x - max),
     dx   = (p - t) scale.
   The e^x of the sum are p already, so value and gradient come from one reading of x. */

typedef struct {
    rows_work rows;                   /* out: the gradient or NULL, a: the logits */
    real *losses;
    const int64_t *labels;
    real smoothing, scale;
} entropy_work;

INLINE vf loss_of(vf log_sum, vf at_label, vf mean, real smoothing)
{
    if (smoothing == 0) return log_sum - at_label;             /* 0 * -inf would be NaN */
    return (log_sum - set1(1 - smoothing) * at_label) - set1(smoothing) * mean;
}

static void entropy_long_row(const entropy_work *w, ptrdiff_t r)
{
    const ptrdiff_t cols = w->rows.cols, label = (ptrdiff_t)w->labels[r];
    const real *x = w->rows.a + r * cols;
    real *dx = w->rows.out ? w->rows.out + r * cols : NULL;
    const real max = row_max(x, cols), background = w->smoothing / (real)cols;
    const real sum = row_exp(dx, x, max, cols);
    real mean = 0;
    if (w->smoothing != 0) {
        lanes16 total = lanes_set1(0);
        FOR_LANES16(i, p, m, cols) {
            const vf v = load_some(x + i, m) - set1(max);
            total.part[p] += m >= W ? v : keep(first_lanes(m), v);
        }
        mean = lanes_sum(total) / (real)cols;
    }
    const vf loss = loss_of(log_(set1(sum)), set1(x[label] - max), set1(mean), w->smoothing);
    store_part(w->losses + r, loss, 1);
    if (!dx) return;
    const real inverse = 1 / sum;
    const real at_label = dx[label] * inverse - (background + (1 - w->smoothing));
    FOR_VECTORS(i, m, cols) {
        const vf p = load_some(dx + i, m) * set1(inverse);
        store_some(dx + i, (p - set1(background)) * set1(w->scale), m);
    }
    dx[label] = at_label * w->scale;
}

static void entropy_block(const entropy_work *w, ptrdiff_t r, real *block, ptrdiff_t height)
{
    const ptrdiff_t cols = w->rows.cols;
    const real background = w->smoothing / (real)cols;
    real label_lanes[W] = {0}, at_lanes[W] = {0};
    for (ptrdiff_t l = 0; l < height; l++) {
        label_lanes[l] = (real)w->labels[r + l];
        at_lanes[l] = w->rows.a[(r + l) * cols + w->labels[r + l]];
    }
    const vf label = load(label_lanes), max = block_max(block, cols);
    vf mean = zero();
    if (w->smoothing != 0) {
        for (ptrdiff_t j = 0; j < cols; j++) mean += load(block + j * W) - max;
        mean = mean / set1((real)cols);
    }
    const vf sum = block_exp(w->rows.out ? block : NULL, block, max, cols);
    const vf loss = loss_of(log_(sum), load(at_lanes) - max, mean, w->smoothing);
    store_part(w->losses + r, loss, height);
    if (!w->rows.out) return;
    const vf inverse = set1(1) / sum, foreground = set1(background + (1 - w->smoothing));
    for (ptrdiff_t j = 0; j < cols; j++) {
        const vf target = blend(eq(label, set1((real)j)), foreground, set1(background));
        store(block + j * W, (load(block + j * W) * inverse - target) * set1(w->scale));
    }
}

static void entropy_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const entropy_work *w = context;
    const ptrdiff_t cols = w->rows.cols, first = item * w->rows.rows_per_item;
    const ptrdiff_t last = smaller(w->rows.rows, first + w->rows.rows_per_item);
    if (cols > SHORT_ROW) {
        for (ptrdiff_t r = first; r < last; r++) entropy_long_row(w, r);
        return;
    }
    real block[SHORT_ROW * W] = {0};
    for (ptrdiff_t r = first; r < last; r += W) {
        const ptrdiff_t height = smaller(W, last - r);
        copy_transposed(block, W, w->rows.a + r * cols, cols, height, cols);
        entropy_block(w, r, block, height);
        if (w->rows.out) copy_transposed(w->rows.out + r * cols, cols, block, W, cols, height);
    }
}

static void cross_entropy(real *losses, real *dx, const real *x, const int64_t *labels,
                          ptrdiff_t rows, ptrdiff_t cols, double smoothing, double scale)
{
    entropy_work w = {{dx, x, NULL, rows, cols, 0, 0}, losses, labels, (real)smoothing,
                      (real)scale};
    for_row_items(&w.rows, entropy_item);
}

/* ---- binary cross entropy of logits: log(1 + e^x) - t x, split so that nothing cancels ---- */

MD_MAP(binary_entropy_map, (max_(zero(), x) - x * z) + log1p_unit_(exp_down_(x)))
MD_MAP(binary_entropy_slope_map, sigmoid_(x) - z)

static void binary_cross_entropy(real *losses, const real *x, const real *t, ptrdiff_t n)
{
    map(losses, x, t, n, 0, 0, binary_entropy_map, 1);
}

static void binary_cross_entropy_slope(real *dx, const real *x, const real *t, ptrdiff_t n)
{
    map(dx, x, t, n, 0, 0, binary_entropy_slope_map, 0.8);
}

#endif
