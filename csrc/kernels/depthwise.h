/* Depthwise convolution: every channel is alone, so the vectors run over channels and there is no
   matrix product; nor a frame of zeros, since taps beside the image are left out (taps.h).

   Forward, and the gradient of x, which is one with the kernel turned: neighbouring pixels go
   together, so that a weight is loaded once for all of them; and two vectors of each, which are
   whole lines of the cache. An element is one chain over the taps, across and then down.

       x  | pixel 0 | pixel 1 | pixel 2 | pixel 3 | pixel 4 | pixel 5 | pixel 6 | ...
          `------------------------- . w[tap 0] -------------------'
                    `------------------------- . w[tap 1] -------------------'
                             acc[0]    acc[1]    acc[2]    acc[3]    acc[4]    acc[5]

   Where a tap is as far from the next as a pixel, as with a stride of 1, each vector of x is loaded
   once for all 3 or 5 taps across, which meet it at as many pixels. */
#ifndef MD_DEPTHWISE_H
#define MD_DEPTHWISE_H

#include "slide.h"

enum {
    PAIR = 2, NEIGHBOURS = 6,       /* vectors and pixels that go together; */
    MORE_NEIGHBOURS = 8,            /* where x is loaded once: pixels, */
    LINE_VECTORS = LINE_REALS > W ? LINE_REALS / W : 1, /* vectors, a line of the cache, */
    MOST_ACROSS = 5,                /* and taps, at most */
    MOST_SUMS = (LINE_VECTORS > PAIR ? LINE_VECTORS : PAIR) * MORE_NEIGHBOURS,
    AT_A_SIDE = 4,                  /* vectors of a pixel that is alone */
    ROWS_AHEAD = 2,                 /* of the source that are asked for */
    SQUARE = 3,                     /* taps of dw, down and across, whose chains go together */
    STRETCH = 28                    /* pixels that serve all channels from L1 */
};

/* The taps of neighbouring pixels: counts; where the first one reads, and where it stands among the
   weights; reals to the next; what pixels below will be the first to read. */
typedef struct {
    ptrdiff_t down, across;
    ptrdiff_t x, x_down, x_across;
    ptrdiff_t w, w_down, w_across;
    ptrdiff_t ahead;
} tap_grid;

/* The taps `down` and `across` of the pixels from column x of row y on. */
INLINE tap_grid taps_of(const slide *s, ptrdiff_t y, span down, ptrdiff_t x, span across)
{
    const tap_axis *v = &s->down, *h = &s->across;
    return (tap_grid){
        down.end - down.first, across.end - across.first,
        source_at(v, y, down.first) + source_at(h, x, across.first),
        v->dil * v->pitch, h->dil * h->pitch,
        weight_at(v, down.first) + weight_at(h, across.first), v->weight_step, h->weight_step,
        source_at(v, y + ROWS_AHEAD, v->taps - 1) + source_at(h, x, h->taps - 1)};
}

/* The sums of neighbours `step` apart, vector by vector; m: channels that the last vector has.
   vectors and pixels are constants. */
INLINE void tap_sums(vf *acc, const real *x_row, const real *w_row, const tap_grid *taps,
                     ptrdiff_t step, ptrdiff_t m, const int vectors, const int pixels)
{
    EACH(i, vectors * pixels) acc[i] = zero();
    for (ptrdiff_t ky = taps->down; ky > 0; ky--, x_row += taps->x_down, w_row += taps->w_down) {
        const real *x = x_row, *w = w_row;
        for (ptrdiff_t kx = taps->across; kx > 0; kx--, x += taps->x_across, w += taps->w_across)
            EACH(v, vectors) {
                const vf weight = load_some(w + v * W, m);
                EACH(p, pixels)
                    acc[v * pixels + p] = fma_(load_some(x + p * step + v * W, m), weight,
                                               acc[v * pixels + p]);
            }
    }
}

/* The same for one vector of each, with `across` taps, a constant, as far apart as the pixels. */
INLINE void sliding_sums(vf *acc, const real *x, const real *w, const tap_grid *taps,
                         ptrdiff_t step, ptrdiff_t m, const int pixels, const int across)
{
    EACH(p, pixels) acc[p] = zero();
    for (ptrdiff_t ky = taps->down; ky > 0; ky--, x += taps->x_down, w += taps->w_down) {
        vf weight[MOST_ACROSS];
        EACH(k, across) weight[k] = load_some(w + k * taps->w_across, m);
        EACH(i, pixels + across - 1) {
            const vf v = load_some(x + i * step, m);
            EACH(k, across)
                if (0 <= i - k && i - k < pixels) acc[i - k] = fma_(v, weight[k], acc[i - k]);
        }
    }
}

/* `vectors` vectors of channels, from c on, of `pixels` neighbours: constants, and so is `across`,
   the taps where the sums slide, or 0. m: as above. */
INLINE void depthwise_tile(const slide *s, real *to, const real *source, const tap_grid *taps,
                           ptrdiff_t c, ptrdiff_t m, const int vectors, const int pixels,
                           const int across)
{
    const ptrdiff_t step = s->across.step * s->across.pitch, col = s->col;
    const real *x = source + taps->x + c, *w = s->panels + taps->w + c;
    const real *bias = s->bias ? s->bias + c : NULL;
    const int relu = s->relu, past = s->past;
    vf acc[MOST_SUMS];
    EACH(p, pixels) __builtin_prefetch(source + taps->ahead + c + p * step);
    if (!across) tap_sums(acc, x, w, taps, step, m, vectors, pixels);
    else EACH(v, vectors)
        sliding_sums(acc + v * pixels, x + v * W, w + v * W, taps, step, m, pixels, across);
    if (bias) EACH(v, vectors) {
        const vf b = load_some(bias + v * W, m);
        EACH(p, pixels) acc[v * pixels + p] += b;
    }
    if (relu) EACH(i, vectors * pixels) acc[i] = max_(zero(), acc[i]);
    EACH(p, pixels) EACH(v, vectors) put(to + c + p * col + v * W, acc[v * pixels + p], m, past);
}

/* All channels of `pixels` neighbours, `vectors` vectors at a time: constants. */
INLINE void depthwise_pixels(const slide *s, real *to, const real *source, const tap_grid *taps,
                             const int vectors, const int pixels, const int across)
{
    const ptrdiff_t channels = s->frame.c;
    ptrdiff_t c = 0;
    for (; c + vectors * W <= channels; c += vectors * W)
        depthwise_tile(s, to, source, taps, c, W, vectors, pixels, across);
    for (; c + W <= channels; c += W) depthwise_tile(s, to, source, taps, c, W, 1, pixels, across);
    if (c < channels) depthwise_tile(s, to, source, taps, c, channels - c, 1, pixels, across);
}

/* A strip of neighbours whose sums slide over `across` taps, a constant. */
INLINE void depthwise_strip(const slide *s, real *to, const real *source, const tap_grid *taps,
                            ptrdiff_t pixels, const int across)
{
    if (pixels == NEIGHBOURS)
        depthwise_pixels(s, to, source, taps, LINE_VECTORS, NEIGHBOURS, across);
    else depthwise_pixels(s, to, source, taps, LINE_VECTORS, MORE_NEIGHBOURS, across);
}

/* The work of strips of so many pixels, of which the last one does some once more. */
INLINE ptrdiff_t strip_work(ptrdiff_t width, ptrdiff_t pixels)
{
    return ceil_div(width, pixels) * (pixels + 3);
}

/* Rows y0 .. y1 of the target, of one image. */
static void depthwise_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                           ptrdiff_t y1)
{
    const tap_axis *h = &s->across;
    const span inner = all_met(h, s->cols), every = {0, h->taps};
    const ptrdiff_t width = inner.end - inner.first;
    const int slides = (h->taps == 3 || h->taps == 5) && h->step == h->dil;
    const int more = slides && width >= MORE_NEIGHBOURS &&
                     strip_work(width, MORE_NEIGHBOURS) <= strip_work(width, NEIGHBOURS);
    const ptrdiff_t together = more ? MORE_NEIGHBOURS : NEIGHBOURS;
    const int few = width < together;
    for (ptrdiff_t x = 0, m; x < s->cols; x += m) {
        const int alone = few || x < inner.first || x >= inner.end;
        m = alone ? 1 : smaller(together, inner.end - x);
        const ptrdiff_t from = alone ? x : x + m - together;     /* the last ones: some once more */
        const span across = alone ? met(&s->across, x) : every;
        for (ptrdiff_t y = y0; y < y1; y++) {
            const tap_grid taps = taps_of(s, y, met(&s->down, y), from, across);
            real *to = target + s->offset + y * s->row + from * s->col;
            if (alone) depthwise_pixels(s, to, source, &taps, AT_A_SIDE, 1, 0);
            else if (!slides) depthwise_pixels(s, to, source, &taps, PAIR, NEIGHBOURS, 0);
            else if (h->taps == 3) depthwise_strip(s, to, source, &taps, together, 3);
            else depthwise_strip(s, to, source, &taps, together, 5);
        }
    }
}

/* ---- the gradient of the weights ---- */

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
        __builtin_prefetch(dz + s->cols * channels);         /* the next row, of both */
        __builtin_prefetch(from[down - 1] + row);
        EACH(i, down) {
            HIDE(from[i]);
            EACH(j, across) acc[i][j] = fma_(load_some(from[i] + j * x_across, m), d, acc[i][j]);
            from[i] += step;
        }
    }
    EACH(i, down) EACH(j, across) store_some(dw + i * w_down + j * w_across, acc[i][j], m);
}

/* For all channels. */
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
