/* Asking for what will be wanted, a few lines of the cache at a time, between pieces of work. What
   a kernel reads image by image, or panel by panel, comes at the pace of memory's latency, since
   each is a start anew; asked for while there is something to compute, it is there. All asked for
   at once, the lines would wait for each other as loads do. The micro-kernel asks by itself. */
#ifndef MD_AHEAD_H
#define MD_AHEAD_H

#include "nontemporal.h"

enum { AHEAD_BLOCKS = 5 };

typedef struct { const char *data; ptrdiff_t rows, lines, pitch; } ahead_block; /* lines of a row */

typedef struct { ahead_block blocks[AHEAD_BLOCKS]; int count; } ahead;

INLINE void want_rows(ahead *a, const real *from, ptrdiff_t rows, ptrdiff_t pitch, ptrdiff_t reals)
{
    a->blocks[a->count++] = (ahead_block){(const char *)from, larger(rows, 0),
                                          ceil_div(larger(reals, 0), LINE_REALS),
                                          pitch * (ptrdiff_t)sizeof(real)};
}
INLINE void want(ahead *a, const void *from, size_t bytes)
{
    want_rows(a, from, 1, 0, ceil_div((ptrdiff_t)bytes, (ptrdiff_t)sizeof(real)));
}

/* How many reals ahead of what is read a kernel asks, if it does so line by line: far enough for
   memory to answer in time, near enough to be in L2 still. */
enum { ASK_AHEAD = 4096 };

/* The line at p, to L2. Outside of an array it does no harm. */
INLINE void ask_line(const void *p) { __builtin_prefetch(p, 0, 2); }

/* Part number `part` of so many of everything. */
static void ask(const ahead *a, ptrdiff_t part, ptrdiff_t parts)
{
    for (int i = 0; i < a->count; i++) {
        const ahead_block *b = a->blocks + i;
        const ptrdiff_t all = b->rows * b->lines, first = all * part / parts;
        const ptrdiff_t count = all * (part + 1) / parts - first;
        if (!count) continue;
        ptrdiff_t line = first % b->lines;
        const char *row = b->data + first / b->lines * b->pitch;
        for (ptrdiff_t l = 0; l < count; l++) {
            ask_line(row + line * LINE_BYTES);
            if (++line == b->lines) line = 0, row += b->pitch;
        }
    }
}

#endif
