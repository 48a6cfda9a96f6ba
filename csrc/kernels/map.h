/* One expression for every element of one or two arrays of the same shape. */
#ifndef MD_MAP_H
#define MD_MAP_H

#include "../minidrop.h"
#include "../vec.h"
#include "nontemporal.h"

typedef struct { real *y; const real *x, *z; ptrdiff_t n; real a, b; int past; } map_work;

/* Define the item `name` of a parallel loop: y = expression, in which x and z are vectors of the
   two inputs, a and b the numbers of map() in every lane. A tail is a vector too, so that each
   element sees the same operations at every width. */
#define MD_MAP(name, expression)                                                              \
    static void name(void *context, ptrdiff_t item, int worker)                               \
    {                                                                                         \
        const map_work *w = context;                                                          \
        const ptrdiff_t start = item * ELEMENTS_PER_ITEM;                                     \
        const ptrdiff_t n = smaller(ELEMENTS_PER_ITEM, w->n - start);                         \
        const real *from_x = w->x + start, *from_z = w->z + start;                            \
        real *to = w->y + start;                                                              \
        const vf a = set1(w->a), b = set1(w->b);                                              \
        const int past = w->past;                                                             \
        ptrdiff_t i = 0;                                                                      \
        (void)worker, (void)a, (void)b;                                                       \
        for (; i + W <= n; i += W) {                                                          \
            const vf x = load(from_x + i), z = load(from_z + i);                              \
            (void)x, (void)z;                                                                 \
            put(to + i, expression, W, past);                                                 \
        }                                                                                     \
        if (i < n) {                                                                          \
            const vf x = load_part(from_x + i, n - i), z = load_part(from_z + i, n - i);      \
            (void)x, (void)z;                                                                 \
            store_part(to + i, expression, n - i);                                            \
        }                                                                                     \
    }

/* Run an item over n elements; with one input, z is x. cost: nanoseconds an element, roughly. */
static void map(real *y, const real *x, const real *z, ptrdiff_t n, double a, double b,
                md_item *item, double cost)
{
    map_work w = {y, x, z, n, (real)a, (real)b, goes_past(y, n)};
    md_parallel_for(ceil_div(n, ELEMENTS_PER_ITEM), cost * (double)n, item, &w);
}

#endif
