/* The taps of a kernel along one axis of an image, and which of them meet it: what lies beside the
   image is padding, and adds nothing. */
#ifndef MD_TAPS_H
#define MD_TAPS_H

#include "../vec.h"

typedef struct { ptrdiff_t first, end; } span;

typedef struct {
    ptrdiff_t taps, step, at, dil;  /* tap i of target p reads the source at p step + at + i dil */
    ptrdiff_t size;                 /* of the source: from 0 on */
    ptrdiff_t pitch;                /* reals from one place of the source to the next */
    ptrdiff_t weight, weight_step;  /* the weights of tap i stand at weight + i weight_step */
} tap_axis;

/* Where tap i of target p reads; what it multiplies by. */
INLINE ptrdiff_t source_at(const tap_axis *a, ptrdiff_t p, ptrdiff_t i)
{
    return (p * a->step + a->at + i * a->dil) * a->pitch;
}
INLINE ptrdiff_t weight_at(const tap_axis *a, ptrdiff_t i)
{
    return a->weight + i * a->weight_step;
}

/* The taps of target p that meet the source. */
INLINE span met(const tap_axis *a, ptrdiff_t p)
{
    const ptrdiff_t at = p * a->step + a->at;
    span taps = {0, a->taps};
    while (taps.first < taps.end && at + taps.first * a->dil < 0) ++taps.first;
    while (taps.first < taps.end && at + (taps.end - 1) * a->dil >= a->size) --taps.end;
    return taps;
}

/* Those of n targets whose taps all meet the source; where there are none, the span is {n, n}. */
static span all_met(const tap_axis *a, ptrdiff_t n)
{
    span targets = {0, n};
    while (targets.first < n && met(a, targets.first).first > 0) ++targets.first;
    while (targets.first < targets.end && met(a, targets.end - 1).end < a->taps) --targets.end;
    return targets.first < targets.end ? targets : (span){n, n};
}

/* Of a forward pass: size and pitch of x, reals from a tap to the next in the kernel. */
INLINE tap_axis forward_axis(ptrdiff_t taps, ptrdiff_t stride, ptrdiff_t pad, ptrdiff_t dil,
                             ptrdiff_t size, ptrdiff_t pitch, ptrdiff_t weight_step)
{
    return (tap_axis){taps, stride, -pad, dil, size, pitch, 0, weight_step};
}

/* Of the gradient of x, for its places p stride + phase; size and pitch of dz. Tap k reaches them
   where o stride + k dil - pad is one, for a whole o; the last tap first, so that o goes up. */
static tap_axis turned_axis(ptrdiff_t taps, ptrdiff_t stride, ptrdiff_t pad, ptrdiff_t dil,
                            ptrdiff_t size, ptrdiff_t pitch, ptrdiff_t weight_step,
                            ptrdiff_t phase)
{
    tap_axis a = {.step = 1, .size = size, .pitch = pitch};
    for (ptrdiff_t k = taps - 1; k >= 0; k--) {
        const ptrdiff_t o = phase + pad - k * dil, weight = k * weight_step;
        if (o % stride) continue;
        if (a.taps == 0) a.at = o / stride, a.weight = weight;
        if (a.taps == 1) a.dil = o / stride - a.at, a.weight_step = weight - a.weight;
        a.taps++;
    }
    return a;
}

#endif
