/* Convolution of an image of one channel: the kernel has so few taps that the patches of a band are
   worth being written out, [tap][pixel], each tap the image itself from some place on. The band is
   then one product, where sliding would be many of a few steps of k each:

       tap 0   | pixels 0 1 2 ... of the band, moved by (0, 0) |
       tap 1   | pixels 0 1 2 ... of the band, moved by (0, 1) |    . weights (taps, cout)
       ...     | ...                                           |

   Each element of the target is the chain over the taps that sliding makes. */
#ifndef MD_PATCHES_H
#define MD_PATCHES_H

#include "slide.h"

enum { PATCHES = 4096, FEW_TAPS = 16 };     /* reals of a band's patches; taps that are worth it */

INLINE int has_few_taps(ptrdiff_t channels, ptrdiff_t step_x, ptrdiff_t taps)
{
    return channels == 1 && step_x == 1 && taps <= FEW_TAPS;
}
INLINE int has_patches(const slide *s)
{
    return s->groups == 1 && has_few_taps(s->frame.c, s->step_x, s->depth) &&
           s->depth * s->cols <= PATCHES && s->row == s->cols * s->col;
}

/* One tap of `lines` rows of the target. Returns where the next tap goes. */
INLINE real *write_tap(real *to, const real *from, ptrdiff_t from_row, ptrdiff_t lines,
                       ptrdiff_t cols)
{
    const ptrdiff_t whole = cols - cols % W;
    for (ptrdiff_t y = 0; y < lines; y++, to += cols, from += from_row) {
        for (ptrdiff_t i = 0; i < whole; i += W) store(to + i, load(from + i));
        if (whole < cols) store(to + whole, load_part(from + whole, cols - whole));
    }
    return to;
}

/* `lines` rows of the target, whose first begins at `source`. */
static void write_patches(real *to, const slide *s, const real *source, ptrdiff_t lines)
{
    for (ptrdiff_t r = 0; r < s->nruns; r++)
        for (ptrdiff_t tap = 0; tap < s->k; tap++)
            to = write_tap(to, source + s->runs[r].a + tap, s->step_y * s->frame.row, lines,
                           s->cols);
}

/* As slide_rows, where `source` is row y0 step_y of the framed image. */
static void patch_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                       ptrdiff_t y1)
{
    real patches[PATCHES + W];              /* what is stored behind a row is the next one's */
    const ptrdiff_t most = PATCHES / (s->depth * s->cols);
    const md_run whole = {0, 0};
    md_tile t = {.a = patches, .a_row = 1, .b_step = NR, .runs = &whole, .nruns = 1,
                 .k = s->depth, .c_row = s->col, .relu = s->relu, .past = s->past};
    for (ptrdiff_t y = y0, lines; y < y1; y += lines) {
        lines = smaller(most, y1 - y);
        write_patches(patches, s, source + (y - y0) * s->step_y * s->frame.row, lines);
        t.a_step = lines * s->cols;
        for (ptrdiff_t j = 0; j < s->channels; j += NR) {
            t.cols = smaller(NR, s->channels - j);
            t.b = s->panels + j * s->depth;
            t.c = target + s->offset + (y - y0) * s->row + j;
            t.bias = s->bias ? s->bias + j : NULL;
            tile_column(&t, lines * s->cols);
        }
    }
}

#endif
