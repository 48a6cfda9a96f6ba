/* The walk over operands that broadcast: where the rows of each start, and how rows become items.

   A result of axes (i, j, k) is i * j rows of k elements. Along a row an operand either advances
   with the result or stays (step 0 or 1); over the other axes it moves by its steps:

     result  | row (0,0) | row (0,1) | row (0,2) | row (1,0) | ...     contiguous
     operand   0           step[1]     2 step[1]   step[2]             0 where it is repeated

   Arrays of one shape are one long row. Items are about ELEMENTS_PER_ITEM elements of the result,
   whole rows or a piece of one, by shape alone. */
#ifndef MD_BROADCAST_H
#define MD_BROADCAST_H

#include "../minidrop.h"
#include "../vec.h"

INLINE ptrdiff_t elements_of(const md_broadcast *s)
{
    ptrdiff_t n = 1;
    for (int d = 0; d < s->ndim; d++) n *= s->size[d];
    return n;
}

/* Do n elements of one row: the result begins at `to`, operand i at at[i]. */
typedef void walk_row(void *context, ptrdiff_t to, const ptrdiff_t at[3], ptrdiff_t n);

typedef struct {
    const md_broadcast *shape;
    ptrdiff_t rows, cols, rows_per_item, cols_per_item, items_across;
    walk_row *row;
    void *context;
} walk;

static void walk_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const walk *w = context;
    const md_broadcast *s = w->shape;
    const ptrdiff_t r0 = item / w->items_across * w->rows_per_item;
    const ptrdiff_t r1 = smaller(w->rows, r0 + w->rows_per_item);
    const ptrdiff_t c0 = item % w->items_across * w->cols_per_item;
    const ptrdiff_t n = smaller(w->cols_per_item, w->cols - c0);

    ptrdiff_t at[3], index[MD_DIMS], left = r0;
    for (int i = 0; i < 3; i++) at[i] = c0 * s->step[i][0];
    for (int d = 1; d < s->ndim; d++) {
        index[d] = left % s->size[d];
        left /= s->size[d];
        for (int i = 0; i < 3; i++) at[i] += index[d] * s->step[i][d];
    }
    for (ptrdiff_t r = r0; r < r1; r++) {
        w->row(w->context, r * w->cols + c0, at, n);
        for (int d = 1; d < s->ndim; d++) {                  /* on to the next row */
            for (int i = 0; i < 3; i++) at[i] += s->step[i][d];
            if (++index[d] < s->size[d]) break;
            for (int i = 0; i < 3; i++) at[i] -= s->size[d] * s->step[i][d];
            index[d] = 0;
        }
    }
}

/* Call `row` for every row of the result; cost: nanoseconds an element. */
static void walk_rows(const md_broadcast *s, walk_row *row, void *context, double cost)
{
    walk w = {.shape = s, .rows = 1, .cols = s->size[0], .row = row, .context = context};
    for (int d = 1; d < s->ndim; d++) w.rows *= s->size[d];
    if (w.rows == 0 || w.cols == 0) return;
    w.cols_per_item = smaller(w.cols, ELEMENTS_PER_ITEM);
    w.rows_per_item = ELEMENTS_PER_ITEM / w.cols_per_item;
    w.items_across = ceil_div(w.cols, w.cols_per_item);
    md_parallel_for(ceil_div(w.rows, w.rows_per_item) * w.items_across,
                    cost * (double)w.rows * (double)w.cols, walk_item, &w);
}

#endif
