/* parallel_for over OpenMP, or serial where the build has none. Only this unit knows threads. */
#if defined(__linux__)
#define _GNU_SOURCE /* sched_getcpu and the sets of processors */
#include <sched.h>
#endif
#include "parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define MD_FORK 1
#endif

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static int chosen_threads;             /* 0: none chosen */
static _Thread_local int held_workers; /* 0: none held */

#ifdef _OPENMP
static int in_forked_child;
#endif

#if defined(_OPENMP) && defined(MD_FORK)
/* After fork the child has none of its parent's threads, and libgomp would wait for them. */
static void child_after_fork(void) { in_forked_child = 1; }

__attribute__((constructor)) static void watch_fork(void)
{
    pthread_atfork(NULL, NULL, child_after_fork);
}
#endif

void md_set_threads(int threads) { chosen_threads = threads; }

int md_has_openmp(void)
{
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

int md_workers(void)
{
#ifdef _OPENMP
    if (in_forked_child || omp_in_parallel()) return 1;
    if (held_workers) return held_workers;
    return chosen_threads ? chosen_threads : omp_get_max_threads();
#else
    return 1;
#endif
}

int md_hold_workers(int workers)
{
    const int before = held_workers;
    held_workers = workers;
    return before;
}

/* Non-temporal stores of the items are seen before whatever follows them. */
static void settle(void)
{
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

#ifdef _OPENMP
enum { LINE = 64, NOWHERE = -1, SPINS = 2000, YIELDS = 64 };

/* A worker's own items, next .. end - 1, and the processor that it runs on, alone on their line. */
typedef struct { _Alignas(LINE) ptrdiff_t next; ptrdiff_t end; int processor; } md_part;

static void work_off(md_part *part, md_item *item, void *context, int worker)
{
    for (;;) {
        ptrdiff_t i;
#pragma omp atomic capture
        i = part->next++;
        if (i >= part->end) return;
        item(context, i, worker);
    }
}

#if defined(__linux__)
static int load(const int *shared)
{
    int value;
#pragma omp atomic read
    value = *shared;
    return value;
}

/* Writes down on which processor the worker is, and returns it. */
static int stand(md_part *parts, int me)
{
    const int here = sched_getcpu();
#pragma omp atomic write
    parts[me].processor = here;
    return here;
}

/* A system may wake a worker on the processor of another one while more are idle (Linux in a
   virtual machine does), and there they stay, for OpenMP's threads spin without giving way: a
   loop would then take two time slices. So a worker goes elsewhere if another one is here. The
   first one, who wakes them, is known before they come: they may take its place at once. */
static void spread(md_part *parts, int me, int workers)
{
    const int here = stand(parts, me);
    int crowded = 0;
    for (int w = 0; w < workers; w++) crowded |= w != me && load(&parts[w].processor) == here;
    cpu_set_t allowed;
    if (!crowded || sched_getaffinity(0, sizeof allowed, &allowed)) return;
    if (CPU_COUNT(&allowed) < workers) return;
    cpu_set_t others = allowed;
    for (int w = 0; w < workers; w++) {
        const int taken = load(&parts[w].processor);
        if (taken != NOWHERE) CPU_CLR(taken, &others);
    }
    if (sched_setaffinity(0, sizeof others, &others)) return;
    stand(parts, me);
    sched_setaffinity(0, sizeof allowed, &allowed);
}

/* And the first one, done, gives way to those that have not come: they may wait for its place. */
static void give_way(const md_part *parts, int workers)
{
    int tries = 0;
    for (int w = 1; w < workers; w++)
        while (load(&parts[w].processor) == NOWHERE && tries < SPINS + YIELDS)
            if (tries++ >= SPINS) sched_yield();
}
#else
static void stand(md_part *parts, int me) { (void)parts, (void)me; }
static void spread(md_part *parts, int me, int workers) { (void)parts, (void)me, (void)workers; }
static void give_way(const md_part *parts, int workers) { (void)parts, (void)workers; }
#endif

/* Each worker has a part of the items, the same one in every loop of as many items, so that the
   arrays of one step are found in the caches of the core that wrote them. Who is done helps the
   others, and a team may be smaller than was asked. */
static void share_out(ptrdiff_t items, int workers, md_item *item, void *context)
{
    md_part parts[workers];
    for (int w = 0; w < workers; w++)
        parts[w] = (md_part){items * w / workers, items * (w + 1) / workers, NOWHERE};
    stand(parts, 0);
#pragma omp parallel num_threads(workers)
    {
        const int me = omp_get_thread_num();
        if (me > 0) spread(parts, me, workers);
        for (int turn = 0; turn < workers; turn++)
            work_off(parts + (me + turn) % workers, item, context, me);
        settle();
        if (me == 0) give_way(parts, omp_get_num_threads());
    }
}
#endif

void md_parallel_for(ptrdiff_t items, double cost, md_item *item, void *context)
{
#ifdef _OPENMP
    const int workers = md_workers();
    if (workers > 1 && items > 1 && cost > WORTH_WAKING_NS) {
        share_out(items, workers, item, context);
        return;
    }
#else
    (void)cost;
#endif
    for (ptrdiff_t i = 0; i < items; i++) item(context, i, 0);
    settle();
}
