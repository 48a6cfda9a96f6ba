/* Stacks of matrix products of one shape, such as those of attention's heads.

       c[0] = op(a[0]) op(b[0])      small, or many: each is done by one worker, from end to end
       c[1] = op(a[1]) op(b[1])      few and large: one after the other, each by all workers
         ...

   The c lie behind each other; a and b may be anywhere, and several products may have the same. */
#ifndef MD_MATMUL_STACK_H
#define MD_MATMUL_STACK_H

#include "matmul.h"

enum {
    MANY_PRODUCTS = 4,       /* for each worker, so that none waits long for the last */
    ITEM_NS = 5000           /* of products that a worker takes at a time */
};

typedef struct {
    real *c;
    const real *a, *b;
    const ptrdiff_t *a_at, *b_at;
    ptrdiff_t m, n, k;
    int form;
    real *scratch;
    ptrdiff_t count, each;   /* products, and in an item */
    ptrdiff_t room;          /* of the scratch, for a worker that is alone */
    int is_planned;          /* by one plan for all */
    matmul_work plan;
} stack_work;

/* One product, by the workers that there are. */
static void stack_product(const stack_work *w, ptrdiff_t i, real *scratch)
{
    real *c = w->c + i * w->m * w->n;
    const real *a = w->a + w->a_at[i], *b = w->b + w->b_at[i];
    if (w->is_planned) {
        matmul_work one = w->plan;
        one.c = c, one.a = a, one.b.data = b, one.scratch = scratch;
        matmul_run(&one);
    } else matmul(c, a, b, NULL, w->m, w->n, w->k, w->form, 0, scratch);
}

static void stack_item(void *context, ptrdiff_t item, int worker)
{
    const stack_work *w = context;
    const ptrdiff_t first = item * w->each, end = smaller(w->count, first + w->each);
    const int held = md_hold_workers(1);
    for (ptrdiff_t i = first; i < end; i++) stack_product(w, i, w->scratch + worker * w->room);
    md_hold_workers(held);
}

INLINE int each_alone(ptrdiff_t count, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k)
{
    return count >= MANY_PRODUCTS * md_workers() || product_cost(m, n, k) < BLOCK_NS;
}

/* What a worker that is alone needs: room, and the plan. */
static void plan_alone(stack_work *w)
{
    const int held = md_hold_workers(1);
    w->room = matmul_scratch(w->m, w->n, w->k, w->form, 0);
    w->is_planned = is_blocked(w->m, w->n, w->k, w->form);
    if (w->is_planned) w->plan = matmul_plan(w->m, w->n, w->k, w->form, 0);
    md_hold_workers(held);
}

static ptrdiff_t matmul_stack_scratch(ptrdiff_t count, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                      int form)
{
    stack_work w = {.m = m, .n = n, .k = k, .form = form};
    if (m == 0 || n == 0) return 0;
    if (!each_alone(count, m, n, k)) return matmul_scratch(m, n, k, form, 0);
    plan_alone(&w);
    return md_workers() * w.room;
}

static void matmul_stack(real *c, const real *a, const real *b, const ptrdiff_t *a_at,
                         const ptrdiff_t *b_at, ptrdiff_t count, ptrdiff_t m, ptrdiff_t n,
                         ptrdiff_t k, int form, real *scratch)
{
    const double cost = product_cost(m, n, k);
    stack_work w = {c, a, b, a_at, b_at, m, n, k, form, .scratch = scratch, .count = count};
    if (m == 0 || n == 0) return;
    if (!each_alone(count, m, n, k)) {
        for (ptrdiff_t i = 0; i < count; i++) stack_product(&w, i, scratch);
        return;
    }
    plan_alone(&w);
    w.each = larger(1, (ptrdiff_t)(ITEM_NS / cost));
    md_parallel_for(ceil_div(count, w.each), (double)count * cost, stack_item, &w);
}

#endif
