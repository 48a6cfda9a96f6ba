/* Depthwise convolution: every channel is alone, so the vectors run over channels and there is no
   matrix product. It slides with the runs of slide.h, one for each tap: a is where the tap stands
   in the source, b the row of the weights (taps, channels).

   Each output pixel is one chain over the taps; four neighbours go together, so that a weight is
   loaded once for four multiply-adds. */
#ifndef MD_DEPTHWISE_H
#define MD_DEPTHWISE_H

#include "slide.h"

enum { NEIGHBOURS = 8, TAPS = 9 };

/* One vector of channels, from c on, of `pixels` neighbours. m is a constant for whole vectors. */
INLINE void depthwise_vector(const slide *s, real *target, const real *source, const int pixels,
                             ptrdiff_t c, const ptrdiff_t m)
{
    const ptrdiff_t step = s->step_x * s->frame.c;
    vf acc[NEIGHBOURS];
    for (int i = 0; i < pixels; i++) acc[i] = zero();
    for (ptrdiff_t r = 0; r < s->nruns; r++) {
        const vf w = load_some(s->panels + s->runs[r].b + c, m);
        const real *x = source + s->runs[r].a + c;
        for (int i = 0; i < pixels; i++) acc[i] = fma_(load_some(x + i * step, m), w, acc[i]);
    }
    for (int i = 0; i < pixels; i++) {
        if (s->bias) acc[i] += load_some(s->bias + c, m);
        if (s->relu) acc[i] = max_(zero(), acc[i]);
        put(target + i * s->col + c, acc[i], m, s->past);
    }
}

INLINE void depthwise_pixels(const slide *s, real *target, const real *source, const int pixels)
{
    FOR_VECTORS(c, m, s->frame.c)
        if (m == W) depthwise_vector(s, target, source, pixels, c, W);
        else depthwise_vector(s, target, source, pixels, c, m);
}

/* Rows y0 .. y1 of the target; the source's row y0 step_y is the first that stands in `source`. */
static void depthwise_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                           ptrdiff_t y1)
{
    const ptrdiff_t step = s->step_x * s->frame.c;
    for (ptrdiff_t y = y0; y < y1; y++) {
        real *to = target + s->offset + y * s->row;
        const real *from = source + (y - y0) * s->step_y * s->frame.row;
        ptrdiff_t x = 0;
        for (; x + NEIGHBOURS <= s->cols; x += NEIGHBOURS)
            depthwise_pixels(s, to + x * s->col, from + x * step, NEIGHBOURS);
        for (; x < s->cols; x++) depthwise_pixels(s, to + x * s->col, from + x * step, 1);
    }
}

/* The chains of `count` taps and one vector of channels, over one row of dz; count and m are
   constants for full ones. */
INLINE void depthwise_taps(real *dw, const real *x, const real *dz, const slide *s,
                           const md_run *taps, const ptrdiff_t count, ptrdiff_t step,
                           const ptrdiff_t m, int resume)
{
    const ptrdiff_t channels = s->frame.c;
    vf acc[TAPS];
    for (ptrdiff_t i = 0; i < count; i++)
        acc[i] = resume ? load_some(dw + i * channels, m) : zero();
    for (ptrdiff_t p = 0; p < s->cols; p++) {
        const vf d = load_some(dz + p * channels, m);
        for (ptrdiff_t i = 0; i < count; i++)
            acc[i] = fma_(load_some(x + p * step + taps[i].a, m), d, acc[i]);
    }
    for (ptrdiff_t i = 0; i < count; i++) store_some(dw + i * channels, acc[i], m);
}

/* dw (taps, channels) (+)= sum over pixels of x at each tap, times dz, where s is the forward's
   slide. TAPS chains at a time, a row of dz after the other, so that the row serves all channels
   while it is in L1. */
static void depthwise_dw(real *dw, const real *x, const real *dz, const slide *s, int resume)
{
    const ptrdiff_t channels = s->frame.c, step = s->step_x * channels;
    for (ptrdiff_t y = 0; y < s->rows; y++, resume = 1)
        for (ptrdiff_t first = 0; first < s->nruns; first += TAPS)
            FOR_VECTORS(c, m, channels) {
                const md_run *taps = s->runs + first;
                const ptrdiff_t count = smaller(TAPS, s->nruns - first);
                const real *row = x + y * s->step_y * s->frame.row + c;
                const real *d = dz + y * s->cols * channels + c;
                real *to = dw + first * channels + c;
                if (count == TAPS && m == W)
                    depthwise_taps(to, row, d, s, taps, TAPS, step, W, resume);
                else depthwise_taps(to, row, d, s, taps, count, step, m, resume);
            }
}

#endif
