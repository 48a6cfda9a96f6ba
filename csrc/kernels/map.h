/* One expression for every element of one or two arrays of the same shape.

       x  [ vector ][ vector ][ vector ][ vector ]     A block goes through the expression at once:
             |         |         |         |           four chains of operations, none of which
             v         v         v         v           waits for another, so that the machine has
       y  [ vector ][ vector ][ vector ][ vector ]     something to do while each waits for itself.

   What is left at the end becomes a block of its own, in a room, so that every element sees the
   same operations at every width. */
#ifndef MD_MAP_H
#define MD_MAP_H

#include "../minidrop.h"
#include "../vec.h"
#include "nontemporal.h"

enum { MAP_CHAINS = 4, MAP_BLOCK = MAP_CHAINS * W };

/* gcc would write the chains down one after the other; clang mixes them unasked. */
#if defined(__GNUC__) && !defined(__clang__)
#define MD_MIXED __attribute__((optimize("schedule-insns", "sched-pressure")))
#else
#define MD_MIXED
#endif

/* So many blocks of y = expression; x, z, a and b as map() has them. */
typedef void map_blocks(real *y, const real *x, const real *z, ptrdiff_t blocks, real a, real b,
                        const int past);

typedef struct {
    real *y;
    const real *x, *z;
    ptrdiff_t n;
    real a, b;
    map_blocks *blocks;
    int past;
} map_work;

/* Define the map `name`: y = expression, in which x and z are vectors of the two inputs, a and b
   the numbers of map() in every lane. */
#define MD_MAP(name, expression)                                                               \
    MD_MIXED static void name(real *to, const real *from_x, const real *from_z,                \
                              ptrdiff_t blocks, real every_a, real every_b, const int past)    \
    {                                                                                          \
        const vf a = set1(every_a), b = set1(every_b);                                         \
        (void)a, (void)b;                                                                      \
        for (; blocks > 0; blocks--) {                                                         \
            vf y[MAP_CHAINS];                                                                  \
            EACH(k, MAP_CHAINS) {                                                              \
                const vf x = load(from_x + k * W), z = load(from_z + k * W);                   \
                (void)x, (void)z;                                                              \
                y[k] = expression;                                                             \
            }                                                                                  \
            EACH(k, MAP_CHAINS) put(to + k * W, y[k], W, past);                                \
            to += MAP_BLOCK, from_x += MAP_BLOCK, from_z += MAP_BLOCK;                         \
        }                                                                                      \
    }

static void map_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const map_work *w = context;
    const ptrdiff_t start = item * ELEMENTS_PER_ITEM, n = smaller(ELEMENTS_PER_ITEM, w->n - start);
    const ptrdiff_t rest = n % MAP_BLOCK, end = start + n - rest;
    w->blocks(w->y + start, w->x + start, w->z + start, n / MAP_BLOCK, w->a, w->b, w->past);
    if (!rest) return;
    const size_t bytes = (size_t)rest * sizeof(real);
    real y[MAP_BLOCK], x[MAP_BLOCK] = {0}, z[MAP_BLOCK] = {0};
    memcpy(x, w->x + end, bytes);
    memcpy(z, w->z + end, bytes);
    w->blocks(y, x, z, 1, w->a, w->b, 0);
    memcpy(w->y + end, y, bytes);
}

/* Run a map over n elements; with one input, z is x. cost: nanoseconds an element, roughly. */
static void map(real *y, const real *x, const real *z, ptrdiff_t n, double a, double b,
                map_blocks *blocks, double cost)
{
    map_work w = {y, x, z, n, (real)a, (real)b, blocks, goes_past(y, n)};
    md_parallel_for(ceil_div(n, ELEMENTS_PER_ITEM), cost * (double)n, map_item, &w);
}

#endif
