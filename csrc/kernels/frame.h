/* Padding: an image in a frame of zeros, and a copy of it that is. */
#ifndef MD_FRAME_H
#define MD_FRAME_H

#include "pack.h"

/* An image (h, w, c) in a frame of zeros: `rows` rows of `row` reals, the image at (top, left). */
typedef struct { ptrdiff_t top, left, h, w, c, rows, row; } frame;

INLINE int is_framed(const frame *f) { return f->rows > f->h || f->row > f->w * f->c; }
INLINE ptrdiff_t frame_reals(const frame *f) { return round_up(f->rows * f->row, 16); }

/* Copy rows y0 .. y1 of the framed image into `to`, zeros where the image is not. */
static void copy_framed(real *to, const real *image, const frame *f, ptrdiff_t y0, ptrdiff_t y1)
{
    const ptrdiff_t left = f->left * f->c, body = f->w * f->c, right = f->row - left - body;
    for (ptrdiff_t y = y0 - f->top; y < y1 - f->top; y++, to += f->row) {
        if (y < 0 || y >= f->h) {
            memset(to, 0, (size_t)f->row * sizeof(real));
            continue;
        }
        memset(to, 0, (size_t)left * sizeof(real));
        copy_row(to + left, image + y * body, body);
        memset(to + left + body, 0, (size_t)right * sizeof(real));
    }
}

#endif
