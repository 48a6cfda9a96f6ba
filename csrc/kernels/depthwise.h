/* Depthwise convolution: every channel is alone, so the vectors run over channels and there is no
   matrix product; nor a frame of zeros, since taps beside the image are left out (taps.h).

   Forward, and the gradient of x, which is one with the kernel turned: neighbouring pixels go
   together, so that a weight is loaded once for all of them; and two vectors of each, which are
   whole lines of the cache. An element is one chain over the taps, across and then down.

       x  | pixel 0 | pixel 1 | pixel 2 | pixel 3 | pixel 4 | pixel 5 | pixel 6 | ...
          `------------------------- . w[tap 0] -------------------'
                    `------------------------- . w[tap 1] -------------------'
                             acc[0]    acc[1]    acc[2]    acc[3]    acc[4]    acc[5]

   Where a tap is as far from the next as a pixel, as with a stride of 1, and there are 3 or 5
   across, a strip of pixels loads each vector of x once for all of them:

       x[i] . w[0] for acc[i],    . w[1] for acc[i - 1],    . w[2] for acc[i - 2]

   The gradient of the weights is in depthwise_dw.h. */
#ifndef MD_DEPTHWISE_H
#define MD_DEPTHWISE_H

#include "slide.h"

enum {
    PAIR = 2, NEIGHBOURS = 6,       /* vectors and pixels that go together; */
    STRIP_PIXELS = 8,               /* in a strip: pixels, */
    LINE_VECTORS = LINE_REALS > W ? LINE_REALS / W : 1, /* vectors, a line of the cache, */
    MOST_ACROSS = 5,                /* and taps, at most; */
    COLLIDING = 1024 / sizeof(real), /* so far apart, too few of its pixels fit into L1 */
    AT_A_SIDE = 4,                  /* vectors of a pixel that is alone */
    ROWS_AHEAD = 2                  /* of the source that are asked for */
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

/* The same for one vector of each, with `across` taps, a constant, as far apart as the pixels. Of
   what they meet, `there` is in the image. */
INLINE void strip_sums(vf *acc, const real *x, const real *w, const tap_grid *taps, ptrdiff_t step,
                       ptrdiff_t m, span there, const int across)
{
    EACH(p, STRIP_PIXELS) acc[p] = zero();
    for (ptrdiff_t ky = taps->down; ky > 0; ky--, x += taps->x_down, w += taps->w_down) {
        vf weight[MOST_ACROSS];
        EACH(k, across) weight[k] = load_some(w + k * taps->w_across, m);
        EACH(i, STRIP_PIXELS + across - 1) {
            if (i < there.first || i >= there.end) continue;
            const vf v = load_some(x + i * step, m);
            EACH(k, across)
                if (0 <= i - k && i - k < STRIP_PIXELS) acc[i - k] = fma_(v, weight[k], acc[i - k]);
        }
    }
}

/* What becomes of the sums of `pixels` neighbours, of which the first `count` are wanted. */
INLINE void put_sums(const slide *s, real *to, vf *acc, ptrdiff_t c, ptrdiff_t m,
                     const int vectors, const int pixels, ptrdiff_t count)
{
    const ptrdiff_t col = s->col;
    const real *bias = s->bias ? s->bias + c : NULL;
    const int relu = s->relu, past = s->past;
    if (bias) EACH(v, vectors) {
        const vf b = load_some(bias + v * W, m);
        EACH(p, pixels) acc[v * pixels + p] += b;
    }
    if (relu) EACH(i, vectors * pixels) acc[i] = max_(zero(), acc[i]);
    EACH(p, pixels) EACH(v, vectors)
        if (p < count) put(to + c + p * col + v * W, acc[v * pixels + p], m, past);
}

/* `vectors` vectors of channels, from c on, of `pixels` neighbours: constants. m: channels that the
   last vector has. */
INLINE void depthwise_tile(const slide *s, real *to, const real *source, const tap_grid *taps,
                           ptrdiff_t c, ptrdiff_t m, const int vectors, const int pixels)
{
    const ptrdiff_t step = s->across.step * s->across.pitch;
    vf acc[PAIR * NEIGHBOURS];
    EACH(p, pixels) __builtin_prefetch(source + taps->ahead + c + p * step);
    tap_sums(acc, source + taps->x + c, s->panels + taps->w + c, taps, step, m, vectors, pixels);
    put_sums(s, to, acc, c, m, vectors, pixels, pixels);
}

/* The same for a strip; across is a constant too. */
INLINE void strip_tile(const slide *s, real *to, const real *source, const tap_grid *taps,
                       ptrdiff_t c, ptrdiff_t m, const int vectors, span there, ptrdiff_t count,
                       const int across)
{
    const ptrdiff_t step = s->across.step * s->across.pitch;
    const real *x = source + taps->x + c, *w = s->panels + taps->w + c;
    vf acc[LINE_VECTORS * STRIP_PIXELS];
    EACH(p, STRIP_PIXELS) __builtin_prefetch(source + taps->ahead + c + p * step);
    EACH(v, vectors)
        strip_sums(acc + v * STRIP_PIXELS, x + v * W, w + v * W, taps, step, m, there, across);
    put_sums(s, to, acc, c, m, vectors, STRIP_PIXELS, count);
}

/* All channels of `pixels` neighbours, `vectors` vectors at a time: constants. */
INLINE void depthwise_pixels(const slide *s, real *to, const real *source, const tap_grid *taps,
                             const int vectors, const int pixels)
{
    const ptrdiff_t channels = s->frame.c;
    ptrdiff_t c = 0;
    for (; c + vectors * W <= channels; c += vectors * W)
        depthwise_tile(s, to, source, taps, c, W, vectors, pixels);
    for (; c + W <= channels; c += W) depthwise_tile(s, to, source, taps, c, W, 1, pixels);
    if (c < channels) depthwise_tile(s, to, source, taps, c, channels - c, 1, pixels);
}

/* All channels of a strip. */
INLINE void depthwise_strip(const slide *s, real *to, const real *source, const tap_grid *taps,
                            span there, ptrdiff_t count, const int across)
{
    const ptrdiff_t channels = s->frame.c, most = LINE_VECTORS * W;
    ptrdiff_t c = 0;
    for (; c + most <= channels; c += most)
        strip_tile(s, to, source, taps, c, W, LINE_VECTORS, there, count, across);
    FOR_VECTORS(j, m, channels - c)
        strip_tile(s, to, source, taps, c + j, m, 1, there, count, across);
}

/* Rows y0 .. y1 of the target, in strips; across: all taps, a constant. */
INLINE void depthwise_strips(const slide *s, real *target, const real *source, ptrdiff_t y0,
                             ptrdiff_t y1, const int across)
{
    const tap_axis *h = &s->across;
    const span whole = {0, STRIP_PIXELS + across - 1}, every = {0, across};
    const ptrdiff_t count = smaller(STRIP_PIXELS, s->cols);
    for (ptrdiff_t x = 0; x < s->cols; x += STRIP_PIXELS) {
        const ptrdiff_t from = larger(0, smaller(x, s->cols - STRIP_PIXELS));  /* some once more */
        const ptrdiff_t at = from * h->step + h->at;
        const span there = {larger(0, ceil_div(-at, h->step)),
                            smaller(whole.end, ceil_div(h->size - at, h->step))};
        const int apart = there.first > 0 || there.end < whole.end || count < STRIP_PIXELS;
        for (ptrdiff_t y = y0; y < y1; y++) {
            const tap_grid taps = taps_of(s, y, met(&s->down, y), from, every);
            real *to = target + s->offset + (y - y0) * s->row + from * s->col;
            if (apart) depthwise_strip(s, to, source, &taps, there, count, across);
            else depthwise_strip(s, to, source, &taps, whole, STRIP_PIXELS, across);
        }
    }
}

/* Any taps: those at the sides pixel by pixel. */
static void depthwise_any(const slide *s, real *target, const real *source, ptrdiff_t y0,
                          ptrdiff_t y1)
{
    const span inner = all_met(&s->across, s->cols), every = {0, s->across.taps};
    const int few = inner.end - inner.first < NEIGHBOURS;
    for (ptrdiff_t x = 0, m; x < s->cols; x += m) {
        const int alone = few || x < inner.first || x >= inner.end;
        m = alone ? 1 : smaller(NEIGHBOURS, inner.end - x);
        const ptrdiff_t from = alone ? x : x + m - NEIGHBOURS;   /* the last ones: some once more */
        const span across = alone ? met(&s->across, x) : every;
        for (ptrdiff_t y = y0; y < y1; y++) {
            const tap_grid taps = taps_of(s, y, met(&s->down, y), from, across);
            real *to = target + s->offset + (y - y0) * s->row + from * s->col;
            if (alone) depthwise_pixels(s, to, source, &taps, AT_A_SIDE, 1);
            else depthwise_pixels(s, to, source, &taps, PAIR, NEIGHBOURS);
        }
    }
}

/* As slide_rows. */
static void depthwise_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                           ptrdiff_t y1)
{
    const tap_axis *h = &s->across;
    const int has_strips = h->step == h->dil && s->cols >= STRIP_PIXELS / 2 &&
                           h->step * h->pitch % COLLIDING;
    if (has_strips && h->taps == 3) depthwise_strips(s, target, source, y0, y1, 3);
    else if (has_strips && h->taps == 5) depthwise_strips(s, target, source, y0, y1, 5);
    else depthwise_any(s, target, source, y0, y1);
}

#endif
