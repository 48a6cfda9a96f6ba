/* A slide to few channels. Channels as lanes would fill a sliver of each vector; here the pixels of
   a row are the lanes, so that weights and image change places in the micro-kernel:

                        row of the source, moved by a tap, a plane for each channel
                        +-----------------------------------------+
     weights, turned    |                 pixels                  |  steps of k
     +---------+        +-----------------------------------------+
     | taps, c |   .                         =                       turned again, this is
     +---------+        +-----------------------------------------+  the row of the target
      channels          |                                         |  channels
                        +-----------------------------------------+

   Each element is the chain over the taps that sliding makes, with the factors of each product
   exchanged. */
#ifndef MD_SLIDE_FEW_H
#define MD_SLIDE_FEW_H

#include "slide.h"

enum {
    ALONG = 128,       /* pixels at once, of which the product stays in L1 */
    FEW_STEPS = 16,    /* of k, after those of the first tap, that repay the turning */
    FEW_DEPTH = 1024,  /* steps of k whose weights, a line apart, stay close by */
    FEW_RUNS = 128
};

/* Steps of k that are equally far apart in the planes: a row of taps, or the channels of one. */
INLINE ptrdiff_t few_steps(const slide *s)
{
    return s->frame.c == 1 ? s->k : smaller(s->k, s->frame.c);
}

static int is_few(const slide *s)
{
    return s->groups == 1 && s->step_x == 1 && s->channels > 0 &&
           s->channels <= smaller(MR, FEW_LANES) && s->cols >= W - W / 4 &&
           s->depth - s->frame.c > FEW_STEPS && s->depth <= FEW_DEPTH &&
           s->nruns * (s->k / few_steps(s)) <= FEW_RUNS;
}

/* As copy_framed, but each row as planes: [y][channel][x]. */
static void turn_framed(real *to, const real *image, const frame *f, ptrdiff_t y0, ptrdiff_t y1)
{
    const ptrdiff_t width = f->row / f->c;
    if (f->c == 1) {
        copy_framed(to, image, f, y0, y1);
        return;
    }
    if (is_framed(f)) memset(to, 0, (size_t)((y1 - y0) * f->row) * sizeof(real));
    for (ptrdiff_t y = larger(0, y0 - f->top); y < smaller(f->h, y1 - f->top); y++)
        copy_transposed(to + (y + f->top - y0) * f->row + f->left, width, image + y * f->w * f->c,
                        f->c, f->w, f->c);
}

/* The runs of s, where a is the weights and b the planes. */
static void turn_runs(md_run *to, const slide *s)
{
    const frame *f = &s->frame;
    const ptrdiff_t width = f->row / f->c, steps = few_steps(s);
    for (const md_run *run = s->runs; run < s->runs + s->nruns; run++)
        for (ptrdiff_t k = 0; k < s->k; k += steps) {
            const ptrdiff_t at = run->a % f->row + k;
            *to++ = (md_run){run->b + k * NR,
                             run->a / f->row * f->row + at / f->c + at % f->c * width};
        }
}

/* n pixels of the target at `to`, from the product. What a whole store writes beyond its pixel is
   written again by those behind; there are none from `end` on. */
INLINE void put_pixels(const slide *s, real *to, const real *end, const real *product, ptrdiff_t n)
{
    for (ptrdiff_t x = 0; x < n; x += W, to += W * s->col) {
        vf row[FEW_LANES];
        few_lanes pixel[W];
        EACH(j, FEW_LANES) {
            row[j] = zero();
            if (j >= s->channels) continue;
            row[j] = load(product + j * ALONG + x);
            if (s->bias) row[j] += set1(s->bias[j]);
            if (s->relu) row[j] = max_(zero(), row[j]);
        }
        transpose_few(pixel, row);
        if (x + W <= n && to + W * s->col + FEW_LANES <= end)
            EACH(i, W) memcpy(to + i * s->col, &pixel[i], sizeof pixel[i]);
        else
            for (int i = 0; i < smaller(W, n - x); i++)
                for (int j = 0; j < s->channels; j++) to[i * s->col + j] = pixel[i][j];
    }
}

/* As slide_rows. */
static void few_rows(const slide *s, real *target, const real *source, ptrdiff_t y0, ptrdiff_t y1,
                     real *border)
{
    const frame *f = &s->frame;
    turn_framed(border, source, f, y0 * s->step_y, (y1 - 1) * s->step_y + s->reach);

    md_run runs[FEW_RUNS];
    turn_runs(runs, s);
    const ptrdiff_t steps = few_steps(s), parts = s->k / steps;
    const int dense = s->col == s->channels && s->row == s->cols * s->col;
    real product[FEW_LANES * ALONG];
    md_tile t = {.a_row = 1, .a_step = NR, .b_step = f->c > 1 ? f->row / f->c : 1, .k = steps,
                 .a = s->panels, .c = product, .c_row = ALONG, .count = 1};
    real *to = target + s->offset;
    const real *end = dense ? to + (y1 - y0) * s->row : to;
    for (ptrdiff_t y = y0; y < y1; y++, border += s->step_y * f->row, to += s->row) {
        ptrdiff_t first = 0, last = s->nruns;
        clip_runs(s, y, &first, &last);
        t.runs = runs + first * parts;
        t.nruns = (last - first) * parts;
        for (ptrdiff_t x = 0; x < s->cols; x += ALONG) {
            const ptrdiff_t n = smaller(ALONG, s->cols - x);
            t.b = border + x;
            t.cols = round_up(n, W);    /* there is room behind the border */
            tile_rows(&t, s->channels);
            put_pixels(s, to + x * s->col, end, product, n);
        }
    }
}

#endif
