/* The buffer pool: size classes of four steps an octave, one list of free blocks a class. */
#include "memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* A block is a header of one alignment unit, then the bytes. */
typedef struct block {
    struct block *next;
    size_t bytes;
    unsigned class_;
} block;

enum { STEPS = 4, CLASSES = 64 * STEPS, SMALLEST = 256, HUGE_PAGE = 1 << 21 };

_Static_assert(sizeof(block) <= MD_ALIGN, "the header fits its unit");

static block *waiting[CLASSES];
static md_pool_counts counts;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void) { while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire)) {} }
static void unlock(void) { atomic_flag_clear_explicit(&busy, memory_order_release); }

/* The class of a request, and the bytes of its blocks: 256, 320, 384, 448, 512, 640, ... */
static unsigned class_of(size_t bytes, size_t *rounded)
{
    unsigned octave = 0;
    size_t size = SMALLEST;
    while (octave < 63 && size < SIZE_MAX / 4 && size * 2 <= bytes) size *= 2, octave++;
    size_t step = size / STEPS, extra = bytes > size ? (bytes - size + step - 1) / step : 0;
    *rounded = size + extra * step;
    return octave * STEPS + (unsigned)extra;
}

/* A block from the system. A large one asks for huge pages: its strides then meet one entry of the
   TLB where they met hundreds. What is over after whole ones stays on small pages. */
static void *from_system(size_t bytes)
{
#if defined(MADV_HUGEPAGE)
    if (bytes >= 2 * (size_t)HUGE_PAGE) {
        void *p = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
        if (p) madvise(p, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish: may be denied */
        return p;
    }
#endif
    return aligned_alloc(MD_ALIGN, bytes);
}

void *md_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX / 8) return NULL;
    size_t rounded;
    const unsigned class_ = class_of(bytes, &rounded);
    lock();
    block *b = waiting[class_];
    if (b) waiting[class_] = b->next;
    counts.requests++;
    if (b) counts.used_bytes += b->bytes;
    unlock();
    if (b) return (char *)b + MD_ALIGN;

    b = from_system(rounded + MD_ALIGN);
    if (!b) return NULL;
    b->bytes = rounded;
    b->class_ = class_;
    lock();
    counts.mappings++;
    counts.mapped_bytes += rounded;
    counts.used_bytes += rounded;
    unlock();
    return (char *)b + MD_ALIGN;
}

void md_free(void *p)
{
    if (!p) return;
    block *b = (block *)((char *)p - MD_ALIGN);
    lock();
    b->next = waiting[b->class_];
    waiting[b->class_] = b;
    counts.used_bytes -= b->bytes;
    unlock();
}

void md_pool_trim(void)
{
    for (int c = 0; c < CLASSES; c++) {
        lock();
        block *b = waiting[c];
        waiting[c] = NULL;
        for (block *i = b; i; i = i->next) counts.mapped_bytes -= i->bytes;
        unlock();
        while (b) {
            block *next = b->next;
            free(b);
            b = next;
        }
    }
}

md_pool_counts md_pool_stats(void)
{
    lock();
    md_pool_counts now = counts;
    unlock();
    return now;
}
