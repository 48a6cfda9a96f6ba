/* A matrix product that slides over an image: convolution's forward, and its gradient of x.

   With channels last, kw neighbouring pixels are kw * cin contiguous floats, and the weights
   (kh, kw, cin, cout) are a matrix with one row for each of them. So a row of output pixels is a
   small matrix product whose rows of a overlap in memory, and no matrix of patches is ever built:

     source |  pixel 0  |  pixel 1  |  pixel 2  |  pixel 3  |       a[0] = pixels 0 1 2
            `----------- a[0] -----------'                          a[1] = pixels 1 2 3
                        `----------- a[1] -----------'              a_row = stride * cin

   Each kernel row is a run of the micro-kernel. Padding is a copy of the source rows with a border
   of zeros, made for the rows that a worker is about to use; but little of it is multiplied:

     rows of the target   | a whole row: inner columns |
     above and below:     |x|                        |x|    x: a column at the side, of tiles that
     runs are left out    |x| tiles go along each row|x|    go down the whole rows with those taps
                          |x|                        |x|    that meet the image */
#ifndef MD_SLIDE_H
#define MD_SLIDE_H

#include "frame.h"
#include "tiling.h"
#include "taps.h"

enum {
    SLICE = 192,   /* steps of k whose weights stay in L1 while the rows of a band go by */
    BAND = 8192,   /* reals of the source in a band, about, that stay close by for all weights */
    PIXELS = 256,  /* of a band at least, so that the weights are worth their way */
    LEAST_ROWS = 4 /* that make a column at the side a tile */
};

/* target[y][x] = sum over runs of source[y step_y ..][x step_x ..] . weights, for each group. */
typedef struct {
    ptrdiff_t groups, rows, cols, channels;   /* of the target; channels of one group */
    ptrdiff_t offset, row, col, group;        /* where the target starts in its image; strides */
    ptrdiff_t step_y, step_x, source_group;
    frame frame;                              /* of the source */
    ptrdiff_t reach;                          /* source rows that one target row needs */
    const md_run *runs;
    ptrdiff_t nruns, k, depth;                /* k of one run; k of all weights of a panel */
    span inner;                               /* columns whose taps all meet columns of the image */
    const real *panels, *bias;                /* [group][panel][depth][NR]; NULL or (cout) */
    int relu;
    int depthwise;                            /* no runs; panels are the weights as they are */
    tap_axis down, across;                    /* where taps meet the source, without its frame */
    int patches;                              /* its patches are written out: patches.h */
    int few;                                  /* few channels: slide_few.h */
    int past;                                 /* the target goes past the caches */
} slide;

typedef void slide_do(const slide *s, real *target, const real *source, ptrdiff_t y0,
                      ptrdiff_t y1);
static slide_do depthwise_rows, patch_rows;
static void few_rows(const slide *s, real *target, const real *source, ptrdiff_t y0, ptrdiff_t y1,
                     real *border);

/* ---- padding that is left out ---- */

/* Rows y0 .. y1 of the target, those whose taps all meet rows of the image, and inner columns. */
typedef struct { ptrdiff_t y0, y1; span whole, inner; } swath;

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

/* The taps of a run that meet the image, for column x of the target. */
INLINE span met_taps(const slide *s, const md_run *run, ptrdiff_t x)
{
    const frame *f = &s->frame;
    const ptrdiff_t at = run->a % f->row / f->c + x * s->step_x;
    return (span){larger(0, f->left - at), smaller(larger(1, s->k / f->c), f->left + f->w - at)};
}

/* All columns where few channels are not worth a difference. */
static span inner_columns(const slide *s)
{
    if (s->groups > 1 || s->frame.c < W) return (span){0, s->cols};
    return all_met(&s->across, s->cols);
}

/* `inner` is all columns where too few rows are left to treat those at the sides apart. */
static swath swath_of(const slide *s, ptrdiff_t y0, ptrdiff_t y1)
{
    const frame *f = &s->frame;
    swath b = {y0, y1, .whole = {y0, y1}, .inner = s->inner};
    span *rows = &b.whole;
    while (rows->first < y1 && rows->first * s->step_y < f->top) ++rows->first;
    while (rows->first < rows->end && (rows->end - 1) * s->step_y + s->reach > f->top + f->h)
        --rows->end;
    if (rows->end - rows->first < LEAST_ROWS) b.inner = (span){0, s->cols};
    return b;
}

/* ---- one panel: a tile t whose b stands at its weights, for runs first .. end ---- */

/* Rows of the target: a is row y0 of the source, c of the target. */
INLINE void panel_rows(const slide *s, md_tile *t, const real *a, real *c, const swath *b,
                       ptrdiff_t first, ptrdiff_t end)
{
    for (ptrdiff_t y = b->y0; y < b->y1; y++) {
        const int apart = b->whole.first <= y && y < b->whole.end;
        const ptrdiff_t x = apart ? b->inner.first : 0;
        ptrdiff_t from = first, to = end;
        clip_runs(s, y, &from, &to);
        t->runs = s->runs + from;
        t->nruns = to - from;
        t->a = a + (y - b->y0) * s->step_y * s->frame.row + x * t->a_row;
        t->c = c + (y - b->y0) * s->row + x * s->col;
        tile_column(t, (apart ? b->inner.end : s->cols) - x);
    }
}

/* Columns at the sides, down the whole rows, with the taps alone that meet the image. */
static void panel_sides(const slide *s, const md_tile *panel, const real *a, real *c,
                        const swath *b, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t channels = s->frame.c, a_row = s->step_y * s->frame.row;
    md_run runs[SLICE];
    md_tile t = *panel;
    t.runs = runs, t.a_row = a_row, t.c_row = s->row;
    for (ptrdiff_t x = 0; x < s->cols; x++) {
        if (x == b->inner.first) x = b->inner.end;
        if (x == s->cols) break;
        t.nruns = 0;
        for (const md_run *run = s->runs + first; run < s->runs + end; run++) {
            const span taps = met_taps(s, run, x);
            if (taps.first >= taps.end) continue;
            if (s->k > channels) t.k = (taps.end - taps.first) * channels; /* the same for all */
            runs[t.nruns++] = (md_run){run->a + taps.first * channels,
                                       run->b + taps.first * channels * NR};
        }
        t.a = a + (b->whole.first - b->y0) * a_row + x * panel->a_row;
        t.c = c + (b->whole.first - b->y0) * s->row + x * s->col;
        tile_column(&t, b->whole.end - b->whole.first);
    }
}

/* As slide_rows, where `source` is row y0 step_y of the image. next: what is asked for meanwhile,
   that of the band below, or NULL. */
static void slide_band(const slide *s, real *target, const real *source, ptrdiff_t y0,
                       ptrdiff_t y1, const real *next)
{
    const ptrdiff_t panels = ceil_div(s->channels, NR);
    const ptrdiff_t slice = larger(1, SLICE / larger(1, s->k));
    const swath b = swath_of(s, y0, y1);
    const int has_sides = b.inner.end - b.inner.first < s->cols;
    md_tile t = {.k = s->k, .a_step = 1, .b_step = NR, .a_row = s->step_x * s->frame.c,
                 .c_row = s->col};
    if (next)
        ask_in_steps(&t, next, s->step_y * s->frame.row * (ptrdiff_t)sizeof(real),
                     column_tiling(&t, s->cols).count * s->nruns * s->k * s->groups * panels);
    for (ptrdiff_t p = 0; p < s->groups * panels; p++) {
        const ptrdiff_t group = p / panels, j = p % panels * NR, out = group * s->group + j;
        const real *a = source + group * s->source_group;
        real *c = target + s->offset + out;
        t.cols = smaller(NR, s->channels - j);
        t.b = s->panels + p * s->depth * NR;
        for (ptrdiff_t first = 0; first < s->nruns || first == 0; first += slice) {
            const ptrdiff_t end = smaller(first + slice, s->nruns);
            t.resume = first > 0;
            t.relu = s->relu && end == s->nruns;
            t.past = s->past && end == s->nruns;
            t.bias = s->bias && end == s->nruns ? s->bias + out : NULL;
            panel_rows(s, &t, a, c, &b, first, end);
            if (has_sides) panel_sides(s, &t, a, c, &b, first, end);
        }
    }
}

/* Rows y0 .. y1 of an image's target, the first of which stands at `target`. `border` has room for
   the framed source. */
static void slide_rows(const slide *s, real *target, const real *source, ptrdiff_t y0,
                       ptrdiff_t y1, real *border)
{
    if (y0 >= y1 || s->cols == 0) return;
    if (s->depthwise) {
        depthwise_rows(s, target, source, y0, y1);
        return;
    }
    if (s->few) {
        few_rows(s, target, source, y0, y1, border);
        return;
    }
    const int framed = is_framed(&s->frame);
    if (framed) {
        copy_framed(border, source, &s->frame, y0 * s->step_y, (y1 - 1) * s->step_y + s->reach);
        source = border;
    } else source += y0 * s->step_y * s->frame.row;

    if (s->patches) {
        patch_rows(s, target, source, y0, y1);
        return;
    }
    const ptrdiff_t row = larger(1, s->step_y * s->frame.row);
    const ptrdiff_t lines = larger(BAND / row, ceil_div(PIXELS, s->cols)), rows = y1 - y0;
    const ptrdiff_t bands = ceil_div(rows, lines);
    for (ptrdiff_t i = 0; i < bands; i++) {
        const ptrdiff_t from = i * rows / bands, to = (i + 1) * rows / bands;
        const real *next = source + to * s->step_y * s->frame.row;
        slide_band(s, target + from * s->row, source + from * s->step_y * s->frame.row, y0 + from,
                   y0 + to, framed ? NULL : next);
    }
}

/* What an image takes on one core, in nanoseconds. */
INLINE double slide_cost(const slide *s)
{
    const ptrdiff_t steps = s->depthwise ? s->down.taps * s->across.taps : s->nruns * s->k;
    return chains_cost((double)(s->rows * s->cols) * (double)(s->channels * s->groups), steps);
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
