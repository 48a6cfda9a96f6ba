/* Tall blocks of a matrix product: a passes by a panel of b.

       b    | panel |                 The panel, k x NR, is one of a group of copies, and stays in
            +-------+                 L2. Tiles go down it: so a comes once for each panel, from L3,
     a      |       |                 and is read as it stands.
   +-----+  +-------+
   | ... |  | tile  |  of c           The last tiles ask for the b that is copied next, the others
   +-----+  +-------+                 for the rows of a below them.
   |  v  |  |   v   |

   A low block is the other way round: its a stays in L2, and copies of all of b pass by. L3 must
   then hold b twice. */
#ifndef MD_MATMUL_TALL_H
#define MD_MATMUL_TALL_H

#include "matmul_plan.h"

enum { B_TILES = GROUP / NR }; /* ask for b: of a group, each for a panel */

/* `rows` rows of c, down the panel at column j of b. ends: the next panel is not a copy yet. */
static void tall_column(md_tile *t, const matmul_work *w, ptrdiff_t rows, ptrdiff_t j, int ends)
{
    const ptrdiff_t size = sizeof(real), next = j + NR;
    const ptrdiff_t height = rows_collide(w->k) ? smaller(WAYS, MR) : MR;
    const ptrdiff_t below = smaller(rows, B_TILES * height), above = rows - below;
    const real *a = t->a, *after = t->after;
    real *c = t->c;

    t->after = NULL;
    ask_in_steps(t, t->a + height * w->k, above * w->k * size, ceil_div(above, height) * w->k);
    tile_column(t, above);

    t->a += above * w->k, t->c += above * w->n, t->after = after;
    t->ask = NULL;
    if (ends && next < w->n && w->form == MD_NT)
        ask_in_steps(t, w->b.data + next * w->k, NR * w->k * size, B_TILES * w->k);
    else if (ends && next < w->n)
        ask_in_tiles(t, w->b.data + next, w->n * size);
    tile_column(t, below);
    t->a = a, t->c = c;
}

#endif
