/* What Winograd's convolution asks of a geometry: tiles, blocks of them, and the rooms of its
   scratch.

   Neighbouring tiles of 6 x 6 inputs overlap by r - 1 pixels, so that their n x n outputs tile the
   image (n = 4 for r = 3, n = 2 for r = 5). A block is what is transformed, multiplied and
   transformed back while it stands in L2: some whole images where they are small, or some rows of
   tiles of one image. Its size changes no bit of a result. */
#ifndef MD_WINOGRAD_GEOMETRY_H
#define MD_WINOGRAD_GEOMETRY_H

#include "conv_scratch.h"
#include "winograd_transform.h"

enum {
    BLOCK_REALS = 160 * 1024,   /* of transformed x and y in a block, about: 640 KB of L2 */
    BACKWARD_REALS = 240 * 1024, /* in backward, whose sums dU pay the more the longer they are */
    MANY_WEIGHTS = 256 * 1024,  /* transformed, that have no room in L2 beside them */
    APART = 16                  /* reals more between points, so that they fall into other sets */
};

typedef struct {
    const md_conv *g;
    int taps, out;                /* r, and n = 7 - r */
    ptrdiff_t high, wide;         /* tiles down and across an image */
    ptrdiff_t in, outs;           /* channels, in whole vectors */
    ptrdiff_t images, rows;       /* in a block: whole images, or rows of tiles of one image */
    ptrdiff_t strips;             /* blocks that make an image: 1 where a block is whole images */
    ptrdiff_t v_point, m_point;   /* from one point to the next: of x's transform, and of y's */
    ptrdiff_t u_point, ut_point;  /* of the weights, and of the weights transposed */
} winograd;

INLINE ptrdiff_t common_divisor(ptrdiff_t a, ptrdiff_t b)
{
    while (b) {
        const ptrdiff_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

/* The most tiles in a block. The more there are, the less often weights are read again; V and M
   have to stay in L2 beside them. Few images in a forward are cut smaller, for threads to share,
   but not so small that reading the weights takes longer than what they do. */
static ptrdiff_t most_tiles(const winograd *s, int backward)
{
    const int far = POINTS2 * s->in * s->outs > MANY_WEIGHTS;
    const ptrdiff_t reals = backward ? BACKWARD_REALS : BLOCK_REALS;
    const ptrdiff_t fit = reals / (POINTS2 * larger(1, s->in + s->outs));
    const ptrdiff_t most = larger(fit, far ? 64 : 16), all = s->g->n * s->high * s->wide;
    return backward ? most : smaller(most, larger(far ? 32 : 18, all / 16));
}

/* Images and rows of a block. A strip holds whole windows of a pooling. */
static void cut_blocks(winograd *s, ptrdiff_t most)
{
    const ptrdiff_t count = larger(1, s->high * s->wide);
    const ptrdiff_t unit = s->g->pool / common_divisor(s->g->pool, s->out);
    s->images = larger(1, smaller(most / count, s->g->n));
    s->strips = 1;
    s->rows = s->high;
    if (most >= count) return;
    const ptrdiff_t fit = larger(1, most / larger(1, s->wide));
    s->rows = round_up(ceil_div(s->high, ceil_div(s->high, fit)), unit);
    s->rows = smaller(s->rows, s->high);
    s->strips = ceil_div(s->high, s->rows);
}

static winograd winograd_of(const md_conv *g, int backward)
{
    winograd s = {.g = g, .taps = (int)g->kh, .out = POINTS + 1 - (int)g->kh};
    s.high = ceil_div(g->oh, s.out);
    s.wide = ceil_div(g->ow, s.out);
    s.in = round_up(g->cin, W);
    s.outs = round_up(g->cout, W);
    cut_blocks(&s, most_tiles(&s, backward));
    const ptrdiff_t tiles_in = s.images * s.rows * s.wide;
    s.v_point = round_up(tiles_in * s.in, 16) + APART;
    s.m_point = round_up(tiles_in * s.outs, 16) + APART;
    s.u_point = g->cin * round_up(g->cout, NR) + APART;
    s.ut_point = g->cout * round_up(g->cin, NR) + APART;
    return s;
}

/* ---- a batch of one, shared out ----

   A line that another core holds takes several times as long to read or to write as one's own, so
   that two workers on an image may be slower than one. Forward, where they have few blocks each,
   every worker transforms the weights for itself. Backward, where slots are fewer than workers,
   each takes some channels of x: their weights, dV, dx and rows of dU are its alone. A chain of
   sums stays with one worker, so no bit depends on how many there are. */

INLINE ptrdiff_t forward_blocks(const winograd *s)
{
    return ceil_div(s->g->n, s->images) * s->strips;
}
INLINE int weight_copies(const winograd *s)
{
    const int few = POINTS2 * s->in * s->outs <= MANY_WEIGHTS, workers = md_workers();
    return few && forward_blocks(s) <= 2 * workers ? workers : 1;
}

typedef struct { ptrdiff_t first, count; } channel_group;

/* All channels, in so many groups of whole lines, or in as many as there are. */
typedef struct {
    ptrdiff_t channels, count;
    ptrdiff_t panel;             /* columns of weights side by side: no more than a group has, for a
                                    core takes the line beside the one that it wants */
} channel_groups;

INLINE channel_groups groups_of(ptrdiff_t channels, ptrdiff_t wanted)
{
    const ptrdiff_t lines = ceil_div(channels, LINE_REALS);
    const ptrdiff_t count = larger(1, smaller(wanted, lines)), reals = lines / count * LINE_REALS;
    const int fit = count == 1 || (lines % count == 0 && reals % NR == 0);
    return (channel_groups){channels, count, fit ? NR : smaller(NR, LINE_REALS)};
}
INLINE channel_group group_at(const channel_groups *g, ptrdiff_t number)
{
    const ptrdiff_t lines = ceil_div(g->channels, LINE_REALS);
    const ptrdiff_t first = lines * number / g->count * LINE_REALS;
    const ptrdiff_t end = lines * (number + 1) / g->count * LINE_REALS;
    return (channel_group){first, smaller(g->channels, end) - first};
}

/* Of the products of a pass, in ns. */
INLINE double winograd_cost(const winograd *s)
{
    const ptrdiff_t tiles_in = s->g->n * s->high * s->wide;
    return (double)(tiles_in * s->in * s->outs) * POINTS2 / 50;
}

/* ---- scratch ---- */

/* Pixels of y before pooling that a block of one image has. */
INLINE ptrdiff_t strip_reals(const winograd *s)
{
    return round_up(smaller(s->rows * s->out, s->g->oh) * s->g->ow * s->g->cout, 16);
}
INLINE ptrdiff_t forward_worker_reals(const winograd *s)
{
    return POINTS2 * (s->v_point + s->m_point) + (s->g->pool > 2 ? strip_reals(s) : 0);
}
INLINE ptrdiff_t du_reals(const winograd *s) { return s->g->cin * s->outs + APART; }
INLINE ptrdiff_t backward_worker_reals(const winograd *s)
{
    return POINTS2 * (s->v_point + s->m_point + du_reals(s)) + round_up(z_reals(s->g), 16);
}

static ptrdiff_t winograd_scratch(const md_conv *g, int backward)
{
    const winograd s = winograd_of(g, backward);
    if (!backward)
        return weight_copies(&s) * POINTS2 * s.u_point + md_workers() * forward_worker_reals(&s);
    return POINTS2 * s.ut_point + md_workers() * backward_worker_reals(&s) +
           conv_slots(g) * slot_reals(g);
}

#endif
