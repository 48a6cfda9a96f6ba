/* Matrix products with a factor of which many elements are zero: what ReLU and dropout leave of an
   activation or of its gradient, images on a black ground.

       s (m, k), sparse            d, a panel        each row of s becomes a list of its non-zeros,
      . 3 . . 1 .  row i        +------+             whose entries say which row of the panel meets
      . . . 7 . .               | d[1] | 3 *         a value; gather.h takes the list in, a row of
                                | ...  |             c of COLUMNS columns standing in registers.
                                | d[4] | 1 *
                                +------+

   k goes by in slices, so that a panel stays in L1. A block is a panel of columns and some rows: it
   is made in a room of its own, and then copied to c. In MD_TN either factor may be the sparse one:
   s is a turned round, or b, and then c' = b' a is what is made, and turned round at the end.

   Each element of c is matmul's chain without the terms that are zero times something finite: the
   same bits. Where a panel holds something else, no term of it is left out. */
#ifndef MD_MATMUL_SPARSE_H
#define MD_MATMUL_SPARSE_H

#include "../minidrop.h"
#include "ahead.h"
#include "gather.h"
#include "pack.h"

enum { COLUMNS = 10 * W, HEIGHT = 256, LOW = 32 };
enum { PANEL_BYTES = 40 << 10, DEPTH = PANEL_BYTES / (int)sizeof(real) / COLUMNS };  /* at most */
enum { FEW = 16 };           /* rows that are made before more of the next panel is asked for */
enum { SPARSE_SCRATCH = (DEPTH + HEIGHT) * COLUMNS };
enum { SLICES_LISTED = 8, ROWS_LISTED = 128 }; /* in a block of s that is listed, at most */
enum { MOST_LISTED = 1 << 23 };                /* elements of s: their lists take 64 MB at most */
enum { PROBES = 64, PROBE_REALS = 64 };        /* where non-zeros are counted */

/* ---- whether to ---- */

/* Up to this share of non-zeros the product is made faster so. Lists and copies are made for each
   element of s and d: enough of c has to come of it. Negative: not at all. */
static double most_nonzeros(ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t k)
{
    if (rows < 16 || cols < 128 || k < 32 || rows * k > MOST_LISTED) return -1;
    return 0.5 - 40 / (double)cols - 3 / (double)rows;
}

/* The share of the elements that are not zero, in samples. */
static double share_of_nonzeros(const real *s, ptrdiff_t n)
{
    const ptrdiff_t length = smaller(n, PROBE_REALS);
    int found = 0;
    for (ptrdiff_t p = 0; p < PROBES; p++) {
        const real *probe = s + (n - length) * p / (PROBES - 1);
        for (ptrdiff_t i = 0; i < length; i++) found += probe[i] != 0;
    }
    return (double)found / (double)(PROBES * length);
}

/* Which factor's zeros are skipped. Those of b in MD_TN only, without bias and relu: c is then made
   turned, and turning it back takes as long as such a share of non-zeros more. */
#define C_TURNED 0.15
typedef enum { LIST_NEITHER, LIST_A, LIST_B } listing;

/* Whether the factors are looked at, so that it is up to them. */
INLINE int may_be_listed(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    return most_nonzeros(m, n, k) >= 0 || (form == MD_TN && most_nonzeros(n, m, k) >= 0);
}

static listing listing_of(const real *a, const real *b, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                          int form, int plain)
{
    const double most_a = most_nonzeros(m, n, k);
    const double most_b = form == MD_TN && plain ? most_nonzeros(n, m, k) : -1;
    const double in_a = most_a < 0 ? 1 : share_of_nonzeros(a, m * k);
    const double in_b = most_b < 0 ? 1 : share_of_nonzeros(b, k * n);
    if (in_b <= most_b && (in_b + C_TURNED <= in_a || in_a > most_a)) return LIST_B;
    return in_a <= most_a ? LIST_A : LIST_NEITHER;
}

/* ---- the lists ---- */

/* c (m, n) = s d, s sparse (m, k). */
typedef struct {
    real *c;
    const real *s, *d, *bias;
    ptrdiff_t m, n, k, slices, height, width;   /* of a block */
    int s_turned, d_turned, c_turned, relu;     /* stored (k, m), (n, k), (n, m) */
    ptrdiff_t depth, listed;          /* steps of k in a slice; slices in a block of s */
    md_entry *entries;                /* [slice]: of up to m depth */
    ireal *first, *last;              /* [slice][row]: from the slice's entries on */
    real *rooms;
} sparse_work;

INLINE real s_element(const sparse_work *w, ptrdiff_t i, ptrdiff_t l)
{
    return w->s[w->s_turned ? l * w->m + i : i * w->k + l];
}

/* Of slice s of k: its steps, and where its lists stand. */
INLINE ptrdiff_t slice_steps(const sparse_work *w, ptrdiff_t s)
{
    return smaller(w->depth, w->k - s * w->depth);
}
INLINE md_entry *slice_entries(const sparse_work *w, ptrdiff_t s)
{
    return w->entries + s * w->m * w->depth;
}

/* The non-zeros of so many elements of a row of s, from entry n on. Returns where they end. */
INLINE ireal list_row(md_entry *entries, ireal n, const real *from, ptrdiff_t k)
{
    FOR_FEW_VECTORS(j, m, k)
        n += put_nonzeros(entries + n, from + j, m, (ireal)(j * COLUMNS), COLUMNS);
    return n;
}

/* Lists are made of blocks of s that caches want to be read and written: some slices of every row,
   the lists of a slice behind each other; or, where s is turned, some rows of a slice, turned back
   a few at a time, each list at a place of its own. */
static void list_slices(const sparse_work *w, ptrdiff_t s0, ptrdiff_t s1)
{
    ireal count[SLICES_LISTED] = {0};
    for (ptrdiff_t i = 0; i < w->m; i++)
        for (ptrdiff_t s = s0; s < s1; s++) {
            const real *from = w->s + i * w->k + s * w->depth;
            const ireal n = count[s - s0];
            w->first[s * w->m + i] = n;
            w->last[s * w->m + i] = count[s - s0] =
                list_row(slice_entries(w, s), n, from, slice_steps(w, s));
        }
}

static void list_turned(const sparse_work *w, ptrdiff_t s, ptrdiff_t i0, ptrdiff_t i1)
{
    const ptrdiff_t k0 = s * w->depth, k = slice_steps(w, s);
    md_entry *entries = slice_entries(w, s);
    for (ptrdiff_t i = i0; i < i1; i += W) {
        real few[W * DEPTH];
        const ptrdiff_t rows = smaller(W, i1 - i);
        copy_transposed(few, DEPTH, w->s + k0 * w->m + i, w->m, k, rows);
        for (ptrdiff_t r = 0; r < rows; r++) {
            const ireal first = (ireal)((i + r) * w->depth);
            w->first[s * w->m + i + r] = first;
            w->last[s * w->m + i + r] = list_row(entries, first, few + r * DEPTH, k);
        }
    }
}

static void list_item(void *context, ptrdiff_t item, int worker)
{
    const sparse_work *w = context;
    (void)worker;
    if (w->s_turned) {
        const ptrdiff_t blocks = ceil_div(w->m, ROWS_LISTED), i0 = item % blocks * ROWS_LISTED;
        list_turned(w, item / blocks, i0, smaller(w->m, i0 + ROWS_LISTED));
    } else list_slices(w, item * w->listed, smaller(w->slices, (item + 1) * w->listed));
}

/* ---- a panel of d ---- */

/* Columns j0 .. j0 + cols, k steps from k0 on. Returns whether all of it is finite: a zero times
   what is not would be NaN. */
static int sparse_panel(real *panel, const sparse_work *w, ptrdiff_t j0, ptrdiff_t cols,
                        ptrdiff_t k0, ptrdiff_t k)
{
    const real *from = w->d + k0 * w->n + j0;
    ptrdiff_t row = w->n;
    vm infinite = lt(zero(), zero());
    if (w->d_turned) {
        copy_transposed(panel, COLUMNS, w->d + j0 * w->k + k0, w->k, cols, k);
        from = panel, row = COLUMNS;
    }
    for (ptrdiff_t l = 0; l < k; l++, from += row, panel += COLUMNS)
        FOR_FEW_VECTORS(j, m, cols) {
            const vf v = load_some(from + j, m);
            infinite = or_(infinite, is_nan(v - v));
            store_some(panel + j, v, m);
        }
    return !bits_from_mask(infinite);
}

/* Rows of a block take in every term of a panel, zeros too. */
static void all_terms(real *room, const sparse_work *w, const real *panel, ptrdiff_t i0,
                      ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t k0, ptrdiff_t k)
{
    for (ptrdiff_t i = 0; i < rows; i++, room += COLUMNS)
        for (ptrdiff_t l = 0; l < k; l++) {
            const vf v = set1(s_element(w, i0 + i, k0 + l));
            for (ptrdiff_t j = 0; j < cols; j += W)
                store(room + j, fma_(v, load(panel + l * COLUMNS + j), load(room + j)));
        }
}

/* ---- a block ---- */

/* A block of c as it is stored. */
typedef struct { real *c; ptrdiff_t rows, cols, row; } stored_block;

static stored_block block_of(const sparse_work *w, ptrdiff_t i0, ptrdiff_t rows, ptrdiff_t j0,
                             ptrdiff_t cols)
{
    if (w->c_turned) return (stored_block){w->c + j0 * w->m + i0, cols, rows, w->m};
    return (stored_block){w->c + i0 * w->n + j0, rows, cols, w->n};
}

/* What is wanted after slice s of a block: the next panel of d, and a share of c; a part of it with
   every FEW rows. */
static ahead after_slice(const sparse_work *w, const stored_block *b, ptrdiff_t rows, ptrdiff_t j0,
                         ptrdiff_t s)
{
    const int last = s + 1 == w->slices;
    const ptrdiff_t j = last ? j0 + w->width : j0, after = last ? 0 : s + 1;
    const ptrdiff_t k0 = after * w->depth, k = slice_steps(w, after);
    const ptrdiff_t cols = smaller(w->width, w->n - j);
    const ptrdiff_t r0 = b->rows * s / w->slices, r1 = b->rows * (s + 1) / w->slices;
    ahead next = {.parts = ceil_div(rows, FEW)};
    if (w->d_turned) want_rows(&next, w->d + j * w->k + k0, cols, w->k, k);
    else want_rows(&next, w->d + k0 * w->n + j, k, w->n, cols);
    want_rows(&next, b->c + r0 * b->row, r1 - r0, b->row, b->cols);
    return next;
}

/* The end of the chains of a row of c. */
INLINE void finish_row(real *c, const real *room, const real *bias, int relu, ptrdiff_t cols)
{
    FOR_FEW_VECTORS(j, m, cols) {
        vf v = load_some(room + j, m);
        if (bias) v += load_some(bias + j, m);
        if (relu) v = max_(zero(), v);
        store_some(c + j, v, m);
    }
}

static void sparse_item(void *context, ptrdiff_t item, int worker)
{
    const sparse_work *w = context;
    const ptrdiff_t blocks = ceil_div(w->m, w->height), j0 = item / blocks * w->width;
    const ptrdiff_t i0 = item % blocks * w->height, rows = smaller(w->height, w->m - i0);
    const ptrdiff_t cols = smaller(w->width, w->n - j0), taps = ceil_div(cols, 2 * W);
    const stored_block block = block_of(w, i0, rows, j0, cols);
    real *panel = w->rooms + worker * SPARSE_SCRATCH, *room = panel + DEPTH * COLUMNS;
    memset(room, 0, (size_t)(rows * COLUMNS) * sizeof(real));
    for (ptrdiff_t s = 0; s < w->slices; s++) {
        const ptrdiff_t k0 = s * w->depth, k = slice_steps(w, s);
        if (!sparse_panel(panel, w, j0, cols, k0, k)) {
            all_terms(room, w, panel, i0, rows, cols, k0, k);
            continue;
        }
        ahead next = after_slice(w, &block, rows, j0, s);
        md_gather g = {.c = room, .c_row = taps * W, .c_next = COLUMNS, .source = panel,
                       .source_row = taps * W, .list = slice_entries(w, s),
                       .first = w->first + s * w->m + i0, .last = w->last + s * w->m + i0};
        for (ptrdiff_t i = 0; i < rows; i += g.tiles) {
            g.tiles = smaller(FEW, rows - i);
            ask(&next);
            gathers[2][taps][0](&g);
            g.c += g.tiles * COLUMNS, g.first += g.tiles, g.last += g.tiles;
        }
    }
    if (w->c_turned) copy_transposed(block.c, block.row, room, COLUMNS, rows, cols);
    else
        for (ptrdiff_t i = 0; i < rows; i++)
            finish_row(block.c + i * block.row, room + i * COLUMNS, w->bias ? w->bias + j0 : NULL,
                       w->relu, cols);
}

/* Panels of the same width, and so many rows that every worker has a block. */
static void sparse_blocks(sparse_work *w)
{
    const ptrdiff_t across = ceil_div(w->n, COLUMNS), wanted = md_workers();
    ptrdiff_t down = ceil_div(w->m, HEIGHT);
    while (across * down % wanted && w->m >= 2 * down * LOW) down *= 2;
    w->width = round_up(ceil_div(w->n, across), 2 * W);
    w->height = ceil_div(w->m, down);
}

/* ---- the product ---- */

/* Steps of k: a panel leaves L1 some room for the rows of c that go by. */
INLINE ptrdiff_t slice_depth(void)
{
    return md_cache_bytes(MD_L1) > PANEL_BYTES ? DEPTH : DEPTH / 2;
}

/* Reals for the lists of an s (m, k). */
INLINE ptrdiff_t list_reals(ptrdiff_t m, ptrdiff_t k)
{
    return ceil_div(k, slice_depth()) * m * 2 * (slice_depth() + 1) + 16;
}

static ptrdiff_t sparse_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    const ptrdiff_t of_a = most_nonzeros(m, n, k) < 0 ? 0 : list_reals(m, k);
    const ptrdiff_t of_b = form != MD_TN || most_nonzeros(n, m, k) < 0 ? 0 : list_reals(n, k);
    return of_a || of_b ? (ptrdiff_t)md_workers() * SPARSE_SCRATCH + larger(of_a, of_b) : 0;
}

/* c = op(a) op(b) [+ bias] [then relu], by the lists of one of them. */
static void matmul_sparse(real *c, const real *a, const real *b, const real *bias, ptrdiff_t m,
                          ptrdiff_t n, ptrdiff_t k, int form, int relu, listing which,
                          real *scratch)
{
    sparse_work w = {.c = c, .s = a, .d = b, .bias = bias, .m = m, .n = n, .k = k,
                     .depth = slice_depth(), .s_turned = form == MD_TN,
                     .d_turned = form == MD_NT, .relu = relu, .rooms = scratch};
    if (which == LIST_B) w.s = b, w.d = a, w.m = n, w.n = m, w.c_turned = 1;
    w.slices = ceil_div(k, w.depth);
    w.listed = larger(1, smaller(SLICES_LISTED, ceil_div(w.slices, md_workers())));
    sparse_blocks(&w);
    const ptrdiff_t lists = w.slices * w.m;
    w.entries = (md_entry *)(scratch + (ptrdiff_t)md_workers() * SPARSE_SCRATCH);
    w.first = (ireal *)(w.entries + lists * w.depth);
    w.last = w.first + lists;
    const ptrdiff_t items = w.s_turned ? w.slices * ceil_div(w.m, ROWS_LISTED)
                                       : ceil_div(w.slices, w.listed);
    md_parallel_for(items, (double)(w.m * k), list_item, &w);
    md_parallel_for(ceil_div(w.n, w.width) * ceil_div(w.m, w.height),
                    (double)m * (double)n * (double)k / 100, sparse_item, &w);
}

#endif
