/* The gradient of the weights of a depthwise convolution: for each tap and channel one chain over
   the pixels. The chains of a square of taps go together, so that a vector of dz is loaded once for
   all of them:

       dw[ky][kx] += x[pixel + ky rows + kx] . dz[pixel]       3 x 3 sums in registers

   A stretch of pixels at a time, for all channels and taps. */
#ifndef MD_DEPTHWISE_DW_H
#define MD_DEPTHWISE_DW_H

#include "ahead.h"
#include "depthwise.h"

enum {
    SQUARE = 3,    /* taps, down and across, whose chains go together */
    STRETCH = 28   /* pixels that serve all channels from L1 */
};

/* The chains of down x across taps, constants, for m channels, over `pixels` pixels of dz. */
INLINE void depthwise_chains(real *dw, const real *x, const real *dz, const slide *s,
                             const tap_grid *taps, ptrdiff_t pixels, ptrdiff_t m, const int down,
                             const int across)
{
    const ptrdiff_t channels = s->frame.c, step = s->across.step * s->across.pitch;
    const ptrdiff_t row = s->down.step * s->down.pitch, x_across = taps->x_across;
    const ptrdiff_t w_down = taps->w_down, w_across = taps->w_across;
    const real *from[SQUARE];
    vf acc[SQUARE][SQUARE];
    EACH(i, down) from[i] = x + i * taps->x_down;
    EACH(i, down) EACH(j, across) acc[i][j] = load_some(dw + i * w_down + j * w_across, m);
    for (ptrdiff_t p = 0; p < pixels; p++, dz += channels) {
        const vf d = load_some(dz, m);
        ask_line(dz + s->cols * channels);                   /* the next row, of both */
        ask_line(from[down - 1] + row);
        EACH(i, down) {
            HIDE(from[i]);
            EACH(j, across) acc[i][j] = fma_(load_some(from[i] + j * x_across, m), d, acc[i][j]);
            from[i] += step;
        }
    }
    EACH(i, down) EACH(j, across) store_some(dw + i * w_down + j * w_across, acc[i][j], m);
}

/* For all channels. W is said: m would become a constant too late for sums in registers. */
INLINE void depthwise_square(real *dw, const real *x, const real *dz, const slide *s,
                             const tap_grid *taps, ptrdiff_t pixels, const int down,
                             const int across)
{
    FOR_FEW_VECTORS(c, m, s->frame.c)
        if (m == W) depthwise_chains(dw + c, x + c, dz + c, s, taps, pixels, W, down, across);
        else depthwise_chains(dw + c, x + c, dz + c, s, taps, pixels, m, down, across);
}

/* All of their taps, in squares, rows and single ones. */
static void depthwise_stretch(real *dw, const real *x, const real *dz, const slide *s,
                              const tap_grid *taps, ptrdiff_t pixels)
{
    for (ptrdiff_t i = 0, down; i < taps->down; i += down) {
        down = taps->down - i < SQUARE ? 1 : SQUARE;
        for (ptrdiff_t j = 0, across; j < taps->across; j += across) {
            const real *from = x + taps->x + i * taps->x_down + j * taps->x_across;
            real *to = dw + taps->w + i * taps->w_down + j * taps->w_across;
            across = taps->across - j < SQUARE ? 1 : SQUARE;
            if (down > 1 && across > 1)
                depthwise_square(to, from, dz, s, taps, pixels, SQUARE, SQUARE);
            else if (down > 1) depthwise_square(to, from, dz, s, taps, pixels, SQUARE, 1);
            else if (across > 1) depthwise_square(to, from, dz, s, taps, pixels, 1, SQUARE);
            else depthwise_square(to, from, dz, s, taps, pixels, 1, 1);
        }
    }
}

/* dw (taps, channels) (+)= sum over pixels of x at each tap, times dz, where s is the forward's
   slide. */
static void depthwise_dw(real *dw, const real *x, const real *dz, const slide *s, int resume)
{
    const span inner = all_met(&s->across, s->cols), every = {0, s->across.taps};
    if (!resume)
        memset(dw, 0, (size_t)(s->down.taps * s->across.taps * s->frame.c) * sizeof(real));
    for (ptrdiff_t y = 0; y < s->rows; y++) {
        const span down = met(&s->down, y);
        for (ptrdiff_t i = 0, m; i < s->cols; i += m) {
            const int apart = i < inner.first || i >= inner.end;
            m = apart ? 1 : smaller(STRETCH, inner.end - i);
            const tap_grid taps = taps_of(s, y, down, i, apart ? met(&s->across, i) : every);
            depthwise_stretch(dw, x, dz + (y * s->cols + i) * s->frame.c, s, &taps, m);
        }
    }
}

#endif
