/* The buffer pool: size classes of four steps an octave, one list of free blocks a class. */
#include "memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

/* A block is a header of one alignment unit, then the bytes. It begins at `base`, or not far from
   there. */
typedef struct block {
    struct block *next;
    size_t bytes;
    void *base;
    unsigned class_;
} block;

enum { STEPS = 4, CLASSES = 64 * STEPS, SMALLEST = 256 };
enum { PAGE = 4096, HUGE_PAGE = 1 << 21, LARGE = 1 << 16 };

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

/* A block from the system, with room for `bytes`.

   A large one lies half a page away from where a page begins. The system's own large arrays, those
   of NumPy too, lie at its very beginning: a kernel that reads one and writes one of ours a few
   bytes further on would have each load wait for an earlier store, as it compares addresses within
   a page. A still larger one asks for huge pages: its strides then meet one entry of the TLB where
   they met hundreds. What is over after whole ones stays on small pages. */
static block *from_system(size_t bytes)
{
    const int large = bytes >= LARGE, huge = bytes >= 2 * (size_t)HUGE_PAGE;
    const size_t unit = huge ? HUGE_PAGE : large ? PAGE : MD_ALIGN, away = large ? PAGE / 2 : 0;
    const size_t size = away + MD_ALIGN + bytes;
    char *base = aligned_alloc(unit, (size + unit - 1) / unit * unit);
    if (!base) return NULL;
#if defined(MADV_HUGEPAGE)
    if (huge) madvise(base, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* it may be denied */
#endif
    block *b = (block *)(base + away);
    b->base = base;
    return b;
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

    b = from_system(rounded);
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
            free(b->base);
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

static const size_t usual_bytes[] = {[MD_L1] = 1 << 15, [MD_L3] = 1 << 25};
static atomic_size_t cache_bytes[MD_CACHES]; /* 0: not asked yet */

/* Not from sysconf: for AMD's cores it adds up the caches of all cores of a socket. */
static size_t ask_cache_bytes(int cache)
{
    size_t kilobytes = 0;
#if defined(__linux__)
    static const char *const files[] = {[MD_L1] = "/sys/devices/system/cpu/cpu0/cache/index0/size",
                                        [MD_L3] = "/sys/devices/system/cpu/cpu0/cache/index3/size"};
    FILE *size = fopen(files[cache], "r");
    if (size) {
        if (fscanf(size, "%zuK", &kilobytes) != 1) kilobytes = 0;
        fclose(size);
    }
#endif
    return kilobytes ? kilobytes << 10 : usual_bytes[cache];
}

size_t md_cache_bytes(int cache)
{
    if (cache_bytes[cache] == 0) cache_bytes[cache] = ask_cache_bytes(cache);
    return cache_bytes[cache];
}

void md_set_cache_bytes(int cache, size_t bytes) { cache_bytes[cache] = bytes; }
