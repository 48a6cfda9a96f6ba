/* Batch normalization (Ioffe and Szegedy, 2015): y = (x - mean) / sqrt(var + eps) * weight + bias.

   x is (rows, c), with a mean and a variance for each channel over the rows; in a channels-last
   image the rows are the pixels of all images. The variance comes from the differences to the
   mean, never from a difference of squares.

   A relu behind it takes no pass of its own: forward has its argument in a register, and backward,
   which reads x anyway, makes it again, by the same operations, to see what was let through. */
#ifndef MD_BATCH_NORM_H
#define MD_BATCH_NORM_H

#include "columns.h"
#include "nontemporal.h"

typedef struct {
    columns cut;
    real *out;
    const real *x, *dy;
    const real *mean, *scale, *shift, *slope;   /* (wide); behind mean, of backward's relu, its
                                                   scale and shift */
    real *slots;                                /* (chunks, 2, wide) */
    int relu, past;                             /* out goes past the caches */
} norm_work;

static ptrdiff_t norm_scratch(ptrdiff_t rows, ptrdiff_t c)
{
    const columns s = columns_of(rows, c);
    return (6 + 2 * s.chunks) * s.wide;
}

static void for_chunks(norm_work *w, md_item *item)
{
    md_parallel_for(w->cut.chunks, 0.3 * (double)w->cut.rows * (double)w->cut.c, item, w);
}

/* The mean of a chunk, and its sum of squared differences, while the chunk is in the cache. */
static void statistics_item(void *context, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const norm_work *w = context;
    const columns *s = &w->cut;
    const ptrdiff_t rows = rows_of_chunk(s, chunk);
    const real *x = w->x + chunk * s->chunk_rows * s->c;
    real *mean = w->slots + chunk * 2 * s->wide, *squares = mean + s->wide;
    sum_chunk(mean, x, x, NULL, rows, s, PLAIN);
    for (ptrdiff_t i = 0; i < s->c; i++) mean[i] /= (real)rows;
    repeat(mean, mean, s);
    sum_chunk(squares, x, x, mean, rows, s, SPREAD);
}

/* Chunks are put together by the formulas of Chan, Golub and LeVeque (1979). */
static void batch_statistics(real *mean, real *var, const real *x, ptrdiff_t rows, ptrdiff_t c,
                             real *scratch)
{
    norm_work w = {.cut = columns_of(rows, c), .x = x, .slots = scratch};
    for_chunks(&w, statistics_item);
    memset(mean, 0, (size_t)c * sizeof(real));
    memset(var, 0, (size_t)c * sizeof(real));
    double before = 0;
    for (ptrdiff_t k = 0; k < w.cut.chunks; k++) {
        const real *slot = w.slots + k * 2 * w.cut.wide, *squares = slot + w.cut.wide;
        const double count = (double)rows_of_chunk(&w.cut, k), all = before + count;
        const vf share = set1((real)(count / all)), weight = set1((real)(before * (count / all)));
        FOR_VECTORS(j, m, c) {
            const vf old = load_some(mean + j, m), difference = load_some(slot + j, m) - old;
            const vf spread = fma_(difference * difference, weight, load_some(squares + j, m));
            store_some(mean + j, fma_(difference, share, old), m);
            store_some(var + j, load_some(var + j, m) + spread, m);
        }
        before = all;
    }
    if (rows)
        for (ptrdiff_t i = 0; i < c; i++) var[i] /= (real)rows;
}

static void move_statistics(real *running, const real *batch, ptrdiff_t c, double momentum,
                            double times)
{
    const vf stays = set1((real)(1 - momentum)), comes = set1((real)momentum);
    const vf factor = set1((real)times);
    FOR_VECTORS(j, m, c) {
        const vf new = load_some(batch + j, m) * factor;
        store_some(running + j, load_some(running + j, m) * stays + new * comes, m);
    }
}

/* 1 / sqrt(var + eps), `times` weight where there is one. */
static void inverse_deviation(real *scale, const real *var, const real *weight, double eps,
                              ptrdiff_t c)
{
    FOR_VECTORS(j, m, c) {
        const vf inverse = set1(1) / sqrt_(load_some(var + j, m) + set1((real)eps));
        store_some(scale + j, weight ? inverse * load_some(weight + j, m) : inverse, m);
    }
}

/* rows (3, wide): y = (x - rows[0]) rows[1] + rows[2]. */
static void affine_rows(real *rows, const real *mean, const real *var, const real *weight,
                        const real *bias, double eps, const columns *s)
{
    real *scale = rows + s->wide, *shift = scale + s->wide;
    repeat(rows, mean, s);
    inverse_deviation(scale, var, weight, eps, s->c);
    repeat(scale, scale, s);
    memset(shift, 0, (size_t)s->wide * sizeof(real));
    if (bias) repeat(shift, bias, s);
}

/* The second pass begins with the chunks that the first has left in the cache: its last ones. What
   comes from memory is asked for a chunk before. */
INLINE ptrdiff_t from_the_end(const columns *s, ptrdiff_t item) { return s->chunks - 1 - item; }

INLINE void norm_chunk(const norm_work *w, ptrdiff_t item, const int relu)
{
    const columns *s = &w->cut;
    const ptrdiff_t chunk = from_the_end(s, item);
    const ptrdiff_t whole = s->chunk_rows * s->c, first = chunk * whole;
    const ptrdiff_t reals = rows_of_chunk(s, chunk) * s->c;
    for (ptrdiff_t k = 0; k < reals; k += s->wide) {
        const real *x = w->x + first + k;
        real *y = w->out + first + k;
        const int past = w->past && at_vector(y);
        FOR_VECTORS(j, m, smaller(s->wide, reals - k)) {
            if (s->far) ask_line(x + j - whole);
            const vf centred = load_some(x + j, m) - load_some(w->mean + j, m);
            const vf scale = load_some(w->scale + j, m), shift = load_some(w->shift + j, m);
            const vf v = fma_(centred, scale, shift);
            put(y + j, relu ? max_(zero(), v) : v, m, past);
        }
    }
}

static void batch_norm_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const norm_work *w = context;
    if (w->relu) norm_chunk(w, item, 1);
    else norm_chunk(w, item, 0);
}

static void batch_norm_forward(real *y, const real *x, const real *mean, const real *var,
                               const real *weight, const real *bias, ptrdiff_t rows, ptrdiff_t c,
                               double eps, int relu, real *scratch)
{
    norm_work w = {.cut = columns_of(rows, c), .out = y, .x = x, .relu = relu,
                   .past = goes_past(y, rows * c)};
    affine_rows(scratch, mean, var, weight, bias, eps, &w.cut);
    w.mean = scratch, w.scale = w.mean + w.cut.wide, w.shift = w.scale + w.cut.wide;
    for_chunks(&w, batch_norm_item);
}

static void batch_norm_sums_item(void *context, ptrdiff_t chunk, int worker)
{
    (void)worker;
    const norm_work *w = context;
    const columns *s = &w->cut;
    const ptrdiff_t rows = rows_of_chunk(s, chunk), first = chunk * s->chunk_rows * s->c;
    real *slot = w->slots + chunk * 2 * s->wide;
    const real *x = w->x + first, *dy = w->dy + first;
    if (w->relu) sum_chunk(slot, dy, x, w->mean, rows, s, RELU_PRODUCTS);
    else sum_chunk(slot, dy, x, w->mean, rows, s, PRODUCTS);
}

/* dx = scale (dy - shift - (x - mean) slope), dy through the relu. */
INLINE void gradient_chunk(const norm_work *w, ptrdiff_t item, const int relu)
{
    const columns *s = &w->cut;
    const real *relu_scale = w->mean + s->wide, *relu_shift = relu_scale + s->wide;
    const ptrdiff_t chunk = from_the_end(s, item);
    const ptrdiff_t whole = s->chunk_rows * s->c, first = chunk * whole;
    const ptrdiff_t reals = rows_of_chunk(s, chunk) * s->c;
    for (ptrdiff_t k = 0; k < reals; k += s->wide) {
        const real *x = w->x + first + k, *dy = w->dy + first + k;
        real *dx = w->out + first + k;
        const int past = w->past && at_vector(dx);
        FOR_VECTORS(j, m, smaller(s->wide, reals - k)) {
            if (s->far) ask_line(x + j - whole), ask_line(dy + j - whole);
            const vf centred = load_some(x + j, m) - load_some(w->mean + j, m);
            vf d = load_some(dy + j, m);
            if (relu) {
                const vf a = load_some(relu_scale + j, m), b = load_some(relu_shift + j, m);
                d = keep(lt(zero(), fma_(centred, a, b)), d);
            }
            const vf level = d - load_some(w->shift + j, m);
            const vf inner = fma_(-centred, load_some(w->slope + j, m), level);
            put(dx + j, load_some(w->scale + j, m) * inner, m, past);
        }
    }
}

static void batch_norm_gradient_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const norm_work *w = context;
    if (w->relu) gradient_chunk(w, item, 1);
    else gradient_chunk(w, item, 0);
}

/* In training mean and var are functions of x, so dx loses what moves them: its mean, and its part
   along x - mean. */
static void batch_norm_backward(real *dx, real *dweight, real *dbias, const real *dy,
                                const real *x, const real *mean, const real *var,
                                const real *weight, const real *bias, ptrdiff_t rows,
                                ptrdiff_t c, double eps, int training, int relu, real *scratch)
{
    norm_work w = {.cut = columns_of(rows, c), .out = dx, .x = x, .dy = dy, .relu = relu,
                   .past = dx && goes_past(dx, rows * c)};
    const ptrdiff_t wide = w.cut.wide;
    real *scale = scratch + 3 * wide, *shift = scale + wide, *slope = shift + wide;
    if (relu) affine_rows(scratch, mean, var, weight, bias, eps, &w.cut);
    else repeat(scratch, mean, &w.cut);
    w.mean = scratch, w.scale = scale, w.shift = shift, w.slope = slope, w.slots = slope + wide;
    for_chunks(&w, batch_norm_sums_item);
    memset(dbias, 0, (size_t)c * sizeof(real));
    memset(dweight, 0, (size_t)c * sizeof(real));
    for (ptrdiff_t k = 0; k < w.cut.chunks; k++) {
        const real *slot = w.slots + k * 2 * wide;
        for (ptrdiff_t i = 0; i < c; i++) dbias[i] += slot[i];
        for (ptrdiff_t i = 0; i < c; i++) dweight[i] += slot[wide + i];
    }
    inverse_deviation(scale, var, NULL, eps, c);
    memset(shift, 0, (size_t)wide * sizeof(real));
    memset(slope, 0, (size_t)wide * sizeof(real));
    for (ptrdiff_t i = 0; i < c; i++) {
        if (training) {
            shift[i] = dbias[i] / (real)rows;
            slope[i] = dweight[i] * scale[i] * scale[i] / (real)rows;
        }
        dweight[i] *= scale[i];
        if (weight) scale[i] *= weight[i];
    }
    repeat(scale, scale, &w.cut);
    repeat(shift, shift, &w.cut);
    repeat(slope, slope, &w.cut);
    if (dx) for_chunks(&w, batch_norm_gradient_item);
}

#endif
