/* Matrix products with a factor of which most elements are zero, as ReLU and dropout leave it.

       a (m, k), sparse            b, a panel        each row of a becomes a list of its non-zeros,
      . 3 . . 1 .  row i        +------+             whose entries say which row of the panel meets
      . . . 7 . .               | b[1] | 3 *         a value; gather.h takes the list in, a row of
                                | ...  |             c of COLUMNS columns standing in registers.
                                | b[4] | 1 *
                                +------+

   k goes by in slices, so that a panel stays in L1. A block is a panel of columns and some rows: it
   is made in a room of its own, and then copied to c, or turned: the sparse factor of MD_TN is b,
   so there c' = b' a is what is made. Each element of c is matmul's chain without the terms that
   are zero: the same bits, where the other factor is finite. */
#ifndef MD_MATMUL_SPARSE_H
#define MD_MATMUL_SPARSE_H

#include "ahead.h"
#include "gather.h"
#include "matmul.h"

enum { COLUMNS = 10 * W, HEIGHT = 256, DEPTH = 5120 / COLUMNS };
enum { FEW = 16 };           /* rows that are made before more of the next panel is asked for */
enum { SPARSE_SCRATCH = (DEPTH + HEIGHT) * COLUMNS };

/* c (m, n) = s d, s sparse (m, k). */
typedef struct {
    real *c;
    const real *s, *d;
    ptrdiff_t m, n, k, slices;
    int turned, d_turned;             /* s and c are stored (k, m) and (n, m); d is stored (n, k) */
    md_entry *entries;                /* [slice][row][DEPTH] */
    ireal *first, *last;              /* [slice][row]: from the slice's entries on */
    real *rooms;
} sparse_work;

/* Step l of k has the value v: an entry, which counts unless v is zero. By bits: a comparison of
   reals, which may be NaN, would branch. */
INLINE int list_element(md_entry *to, ptrdiff_t l, real v)
{
    ireal bits;
    memcpy(&bits, &v, sizeof bits);
    put_entry(to, (ireal)(l * COLUMNS), v);
    return (ireal)(bits << 1) != 0;
}

/* The lists of one slice. */
static void sparse_list_item(void *context, ptrdiff_t item, int worker)
{
    const sparse_work *w = context;
    const ptrdiff_t k0 = item * DEPTH, k = smaller(DEPTH, w->k - k0);
    md_entry *entries = w->entries + item * w->m * DEPTH;
    ireal *first = w->first + item * w->m, *last = w->last + item * w->m;
    (void)worker;
    for (ptrdiff_t i = 0; i < w->m; i++) first[i] = last[i] = (ireal)(i * DEPTH);
    if (w->turned)
        for (ptrdiff_t l = 0; l < k; l++)
            for (ptrdiff_t i = 0; i < w->m; i++)
                last[i] += list_element(entries + last[i], l, w->s[(k0 + l) * w->m + i]);
    else
        for (ptrdiff_t i = 0; i < w->m; i++) {
            ireal n = first[i];
            for (ptrdiff_t l = 0; l < k; l++)
                n += list_element(entries + n, l, w->s[i * w->k + k0 + l]);
            last[i] = n;
        }
}

/* One panel of d: columns j0 .. j0 + cols, k steps from k0 on. */
static void sparse_panel(real *panel, const sparse_work *w, ptrdiff_t j0, ptrdiff_t cols,
                         ptrdiff_t k0, ptrdiff_t k)
{
    if (w->d_turned) copy_transposed(panel, COLUMNS, w->d + j0 * w->k + k0, w->k, cols, k);
    else
        for (ptrdiff_t l = 0; l < k; l++)
            copy_row(panel + l * COLUMNS, w->d + (k0 + l) * w->n + j0, cols);
}

/* A block of c as it is stored. */
typedef struct { real *c; ptrdiff_t rows, cols, row; } stored_block;

static stored_block block_of(const sparse_work *w, ptrdiff_t i0, ptrdiff_t rows, ptrdiff_t j0,
                             ptrdiff_t cols)
{
    if (w->turned) return (stored_block){w->c + j0 * w->m + i0, cols, rows, w->m};
    return (stored_block){w->c + i0 * w->n + j0, rows, cols, w->n};
}

/* What is wanted after slice s of a block: the next panel of d, and a share of c; a part of it with
   every FEW rows. */
static ahead after_slice(const sparse_work *w, const stored_block *b, ptrdiff_t j0, ptrdiff_t s)
{
    const int last = s + 1 == w->slices;
    const ptrdiff_t j = last ? j0 + COLUMNS : j0, k0 = last ? 0 : (s + 1) * DEPTH;
    const ptrdiff_t k = smaller(DEPTH, w->k - k0), cols = smaller(COLUMNS, w->n - j);
    const ptrdiff_t r0 = b->rows * s / w->slices, r1 = b->rows * (s + 1) / w->slices;
    ahead next = {.parts = ceil_div(b->rows, FEW)};
    if (w->d_turned) want_rows(&next, w->d + j * w->k + k0, cols, w->k, k);
    else want_rows(&next, w->d + k0 * w->n + j, k, w->n, cols);
    want_rows(&next, b->c + r0 * b->row, r1 - r0, b->row, b->cols);
    return next;
}

static void sparse_item(void *context, ptrdiff_t item, int worker)
{
    const sparse_work *w = context;
    const ptrdiff_t blocks = ceil_div(w->m, HEIGHT), j0 = item / blocks * COLUMNS;
    const ptrdiff_t i0 = item % blocks * HEIGHT, rows = smaller(HEIGHT, w->m - i0);
    const ptrdiff_t cols = smaller(COLUMNS, w->n - j0), taps = ceil_div(cols, 2 * W);
    const stored_block block = block_of(w, i0, rows, j0, cols);
    real *panel = w->rooms + worker * SPARSE_SCRATCH, *room = panel + DEPTH * COLUMNS;
    memset(room, 0, (size_t)(rows * COLUMNS) * sizeof(real));
    for (ptrdiff_t s = 0; s < w->slices; s++) {
        const ptrdiff_t k0 = s * DEPTH;
        sparse_panel(panel, w, j0, cols, k0, smaller(DEPTH, w->k - k0));
        ahead next = after_slice(w, &block, j0, s);
        md_gather g = {.c = room, .c_row = taps * W, .c_next = COLUMNS, .source = panel,
                       .source_row = taps * W, .list = w->entries + s * w->m * DEPTH,
                       .first = w->first + s * w->m + i0, .last = w->last + s * w->m + i0};
        for (ptrdiff_t i = 0; i < rows; i += g.tiles) {
            g.tiles = smaller(FEW, rows - i);
            ask(&next);
            gathers[2][taps][0](&g);
            g.c += g.tiles * COLUMNS, g.first += g.tiles, g.last += g.tiles;
        }
    }
    if (w->turned) copy_transposed(block.c, block.row, room, COLUMNS, rows, cols);
    else
        for (ptrdiff_t i = 0; i < rows; i++)
            copy_row(block.c + i * block.row, room + i * COLUMNS, cols);
}

/* Reals for the lists of an s (m, k). */
static ptrdiff_t sparse_entries(ptrdiff_t m, ptrdiff_t k)
{
    return ceil_div(k, DEPTH) * m * 2 * (DEPTH + 1) + 16;
}

/* Lists and copies are made for each element of s and d: enough of c has to come of it. */
INLINE int worth_listing(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    return form == MD_TN ? n >= 16 && m >= 256 && k >= 32 : m >= 16 && n >= 256;
}

static ptrdiff_t matmul_sparse_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    if (!worth_listing(m, n, k, form)) return matmul_scratch(m, n, k, form, 0);
    return (ptrdiff_t)md_workers() * SPARSE_SCRATCH + sparse_entries(form == MD_TN ? n : m, k);
}

static void matmul_sparse(real *c, const real *a, const real *b, ptrdiff_t m, ptrdiff_t n,
                          ptrdiff_t k, int form, real *scratch)
{
    if (!worth_listing(m, n, k, form)) {
        matmul(c, a, b, NULL, m, n, k, form, 0, scratch);
        return;
    }
    const int turned = form == MD_TN;
    sparse_work w = {.c = c, .s = turned ? b : a, .d = turned ? a : b, .m = turned ? n : m,
                     .n = turned ? m : n, .k = k, .slices = ceil_div(k, DEPTH), .turned = turned,
                     .d_turned = form == MD_NT, .rooms = scratch};
    const ptrdiff_t lists = w.slices * w.m;
    w.entries = (md_entry *)(scratch + (ptrdiff_t)md_workers() * SPARSE_SCRATCH);
    w.first = (ireal *)(w.entries + lists * DEPTH);
    w.last = w.first + lists;
    md_parallel_for(w.slices, (double)(w.m * k), sparse_list_item, &w);
    md_parallel_for(ceil_div(w.n, COLUMNS) * ceil_div(w.m, HEIGHT),
                    (double)w.m * (double)w.n * (double)k / 100, sparse_item, &w);
}

#endif
