/* A matrix product that slides over an image: convolution's forward, and its gradient of x.

   With channels last, kw neighbouring pixels are kw * cin contiguous floats, and the weights
   (kh, kw, cin, cout) are a matrix with one row for each of them. So a row of output pixels is a
   small matrix product whose rows of a overlap in memory, and no matrix of patches is ever built:

     source |  pixel 0  |  pixel 1  |  pixel 2  |  pixel 3  |       a[0] = pixels 0 1 2
            `----------- a[0] -----------'                          a[1] = pixels 1 2 3
                        `----------- a[1] -----------'              a_row = stride * cin

   Each kernel row is a run of the micro-kernel. Padding is a copy of the source rows with a border
   of zeros, made for the rows that a worker is about to use. */
#ifndef MD_SLIDE_H
#define MD_SLIDE_H

#include "micro.h"
#include "pack.h"

enum {
    SLICE = 192,   /* steps of k whose weights stay in L1 while the rows of a band go by */
    BAND = 8192,   /* reals of the source in a band, about, that stay close by for all weights */
    PIXELS = 128   /* of a band at least, so that the weights are worth their way */
};

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

/* target[y][x] = sum over runs of source[y step_y ..][x step_x ..] . weights, for each group. */
typedef struct {
    ptrdiff_t groups, rows, cols, channels;   /* of the target; channels of one group */
    ptrdiff_t offset, row, col, group;        /* where the target starts in its image; strides */
    ptrdiff_t step_y, step_x, source_group;
    frame frame;                              /* of the source */
    ptrdiff_t reach;                          /* source rows that one target row needs */
    const md_run *runs;
    ptrdiff_t nruns, k, depth;                /* k of one run; k of all weights of a panel */
    const real *panels, *bias;                /* [group][panel][depth][NR]; NULL or (cout) */
    int relu, depthwise;                      /* depthwise: panels are the weights as they are */
} slide;

static void depthwise_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                           ptrdiff_t y1);

/* Leave out those of runs *first .. *last that read rows of zeros, above or below the image, for
   row y of the target. Runs go down the source. */
INLINE void clip_runs(const slide *s, ptrdiff_t y, ptrdiff_t *first, ptrdiff_t *last)
{
    const frame *f = &s->frame;
    const ptrdiff_t top = f->top - y * s->step_y, bottom = top + f->h;
    if (top <= 0 && s->reach <= bottom) return;
    while (*first < *last && s->runs[*first].a / f->row < top) ++*first;
    while (*first < *last && s->runs[*last - 1].a / f->row >= bottom) --*last;
}

/* Rows y0 .. y1 of the target, which begin at row y0 step_y of the image: at `source`. */
static void slide_band(const slide *s, real *target, const real *source, ptrdiff_t y0,
                       ptrdiff_t y1)
{
    const ptrdiff_t panels = ceil_div(s->channels, NR);
    const ptrdiff_t slice = larger(1, SLICE / larger(1, s->k));
    md_tile t = {.k = s->k, .a_step = 1, .b_step = NR, .a_row = s->step_x * s->frame.c,
                 .c_row = s->col};
    for (ptrdiff_t p = 0; p < s->groups * panels; p++) {
        const ptrdiff_t group = p / panels, j = p % panels * NR, out = group * s->group + j;
        t.cols = smaller(NR, s->channels - j);
        t.b = s->panels + p * s->depth * NR;
        for (ptrdiff_t first = 0; first < s->nruns || first == 0; first += slice) {
            const int last = first + slice >= s->nruns;
            t.resume = first > 0;
            t.relu = s->relu && last;
            t.bias = s->bias && last ? s->bias + out : NULL;
            for (ptrdiff_t y = y0; y < y1; y++) {
                ptrdiff_t from = first, to = smaller(first + slice, s->nruns);
                clip_runs(s, y, &from, &to);
                t.runs = s->runs + from;
                t.nruns = to - from;
                t.a = source + (y - y0) * s->step_y * s->frame.row + group * s->source_group;
                t.c = target + s->offset + y * s->row + out;
                tile_column(&t, s->cols);
            }
        }
    }
}

/* Rows y0 .. y1 of the target, of one image. `border` has room for the framed source. */
static void slide_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                       ptrdiff_t y1, real *border)
{
    if (y0 >= y1 || s->cols == 0) return;
    if (is_framed(&s->frame)) {
        copy_framed(border, source, &s->frame, y0 * s->step_y, (y1 - 1) * s->step_y + s->reach);
        source = border;
    } else source += y0 * s->step_y * s->frame.row;

    if (s->depthwise) {
        depthwise_rows(s, target, source, y0, y1);
        return;
    }
    const ptrdiff_t row = larger(1, s->step_y * s->frame.row);
    const ptrdiff_t lines = larger(BAND / row, ceil_div(PIXELS, s->cols));
    for (ptrdiff_t y = y0; y < y1; y += lines)
        slide_band(s, target, source + (y - y0) * s->step_y * s->frame.row, y,
                   smaller(y1, y + lines));
}

INLINE double slide_flop(const slide *s)
{
    return 2.0 * (double)(s->rows * s->cols) * (double)(s->channels * s->groups) *
           (double)(s->nruns * s->k + 1);
}

/* The length of one run of k, where `joined` taps of c channels are contiguous. */
INLINE ptrdiff_t run_length(ptrdiff_t joined, ptrdiff_t c)
{
    if (joined * c <= SLICE) return joined * c;
    while (c > SLICE && c % 2 == 0) c /= 2;
    return c;
}

/* Append `length` contiguous channels at a and b, in runs of k. Returns the new count. */
INLINE ptrdiff_t add_runs(md_run *runs, ptrdiff_t n, ptrdiff_t a, ptrdiff_t b, ptrdiff_t length,
                          ptrdiff_t k)
{
    for (ptrdiff_t c = 0; c < length; c += k) runs[n++] = (md_run){a + c, b + c * NR};
    return n;
}

#endif
