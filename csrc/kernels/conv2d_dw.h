/* The gradient of a convolution's weights, from one image: the transposed product of x and dz.

                        co ->                 k goes along the pixels, a sweep of them at a time, so
               dz  pixel +------+             that their x and dz share L1; for each ky a tile has
                         |      |             rows (kx, ci), which are contiguous in x, and columns
                         +------+             co. dz is copied in panels: with many channels its
     x^T  pixel ->                            pixels lie so far apart that they collide in L1. */
#ifndef MD_CONV2D_DW_H
#define MD_CONV2D_DW_H

#include "conv_scratch.h"
#include "patches.h"

/* Pixels of an image's dz that follow each other: rows of it, or of one row at most SWEEP. */
typedef struct { ptrdiff_t y0, rows, x0, cols; } sweep;

/* `cols` columns of a sweep's dz, in panels; reals from a pixel to the next, from a panel to the
   next; and where the next sweep's stand. */
typedef struct { const real *data; ptrdiff_t cols, step, panel; const real *next; } dz_columns;

/* dw (+)= the outer products of a sweep's pixels: tiles of (kx, ci) x co for each ky. They ask for
   the dz of the next. */
static void dw_columns(real *dw, const real *x, const dz_columns *dz, const sweep *s,
                       const md_conv *g, int resume)
{
    const ptrdiff_t in = group_in(g), joined = joined_taps(g), x_row = x_frame(g).row;
    const ptrdiff_t width = tile_vectors(joined * in) * W;
    md_run runs[SWEEP];
    md_tile t = {.k = s->cols, .a_row = 1, .a_step = g->stride_w * g->cin, .b = dz->data,
                 .b_step = dz->step, .c_row = g->cout, .resume = resume};
    for (ptrdiff_t r = 0; r < s->rows; r++)
        runs[r] = (md_run){(s->y0 + r) * g->stride_h * x_row + s->x0 * g->stride_w * g->cin,
                           r * s->cols * dz->step};
    const ptrdiff_t pixels = s->rows * s->cols, columns = g->kh * (g->kw / joined);
    ask_in_steps(&t, dz->next, pixels * dz->cols * (ptrdiff_t)sizeof(real),
                 pixels * columns * ceil_div(dz->cols, width) *
                     column_tiling(&t, joined * in).count);
    for (ptrdiff_t j = 0; j < dz->cols; j += width, t.b += dz->panel) {
        t.cols = smaller(width, dz->cols - j);
        for (ptrdiff_t ky = 0; ky < g->kh; ky++) {
            const ptrdiff_t y = s->y0 * g->stride_h + ky * g->dil_h - g->pad_h;
            ptrdiff_t first = 0, last = s->rows;
            while (first < last && y + first * g->stride_h < 0) ++first;
            while (first < last && y + (last - 1) * g->stride_h >= g->h) --last;
            t.runs = runs + first;                           /* rows of padding add nothing */
            t.nruns = last - first;
            for (ptrdiff_t kx = 0; kx < g->kw; kx += joined) {
                t.a = x + ky * g->dil_h * x_row + kx * g->dil_w * g->cin;
                t.c = dw + (ky * g->kw + kx) * in * g->cout + j;
                tile_column(&t, joined * in);
            }
        }
    }
}

/* The same for an image of one channel: all taps are rows of a tile, where a tile for each ky
   would read dz again and again. */
static void dw_taps(real *dw, const real *x, const real *dz, const sweep *s, const md_conv *g,
                    int resume)
{
    real patches[PATCHES + W];
    const ptrdiff_t x_row = x_frame(g).row, pixels = s->rows * s->cols;
    const md_run whole = {0, 0};
    md_tile t = {.a = patches, .a_row = pixels, .a_step = 1, .b_step = g->cout, .runs = &whole,
                 .nruns = 1, .k = pixels, .c_row = g->cout, .resume = resume};
    real *to = patches;
    x += s->y0 * g->stride_h * x_row + s->x0;
    for (ptrdiff_t ky = 0; ky < g->kh; ky++)
        for (ptrdiff_t kx = 0; kx < g->kw; kx++)
            to = write_tap(to, x + ky * g->dil_h * x_row + kx * g->dil_w, g->stride_h * x_row,
                           s->rows, s->cols);
    for (ptrdiff_t j = 0; j < g->cout; j += NR) {
        t.cols = smaller(NR, g->cout - j);
        t.b = dz + j;
        t.c = dw + j;
        tile_column(&t, g->kh * g->kw);
    }
}

/* A sweep's dz, from `dz` on, is copied in panels; but few rows of dw, as in a first layer, do not
   repay that, and want tiles wider than a panel. */
static void dw_sweep(real *dw, const real *x, const real *dz, const sweep *s, const md_conv *g,
                     int resume, real *room)
{
    const ptrdiff_t in = group_in(g), out = group_out(g), rows = joined_taps(g) * in;
    const ptrdiff_t pixels = s->rows * s->cols;
    const masked from = {.data = dz};
    const int copies = tile_vectors(rows) == NV && g->kh * g->kw * in >= 8 * MR;
    for (ptrdiff_t group = 0; group < g->groups; group++)
        for (ptrdiff_t j = 0; j < out; j += SWEEP_COLUMNS) {
            const ptrdiff_t cols = smaller(SWEEP_COLUMNS, out - j), at = group * out + j;
            dz_columns columns = {from.data + at, cols, g->cout, tile_vectors(rows) * W,
                                  from.data + pixels * g->cout + j};
            if (copies) {
                copy_panels(room, pixels, &from, at, g->cout, pixels, cols);
                columns.data = room, columns.step = NR, columns.panel = NR * pixels;
            }
            dw_columns(dw + at, x + group * in, &columns, s, g, resume);
        }
}

INLINE ptrdiff_t sweep_rows(const md_conv *g) { return larger(1, SWEEP / g->ow); }

/* From rows y0 .. y1 of dz, the first of which stands at `dz`. */
static void dw_rows(real *dw, const real *x, const real *dz, ptrdiff_t y0, ptrdiff_t y1,
                    const md_conv *g, int resume, real *room)
{
    const ptrdiff_t rows = sweep_rows(g), cols = smaller(SWEEP, g->ow);
    for (ptrdiff_t y = y0; y < y1; y += rows)
        for (ptrdiff_t x0 = 0; x0 < g->ow; x0 += cols, resume = 1) {
            const sweep s = {y, smaller(rows, y1 - y), x0, smaller(cols, g->ow - x0)};
            const real *from = dz + ((y - y0) * g->ow + x0) * g->cout;
            if (has_few_taps(g->cin, g->stride_w, g->kh * g->kw))
                dw_taps(dw, x, from, &s, g, resume);
            else dw_sweep(dw, x, from, &s, g, resume, room);
        }
}

#endif
