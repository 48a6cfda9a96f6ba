/* Optimizer steps over a list of parameters: each array is read once and written once.

      parameter 0          parameter 1   parameter 2
    +--------+--------+--+ +-----+       +--------+---+
    | chunk  | chunk  |  | |     |       | chunk  |   |      every chunk, of whatever parameter,
    +--------+--------+--+ +-----+       +--------+---+      is one item of one parallel loop

   Elements do not depend on each other, so neither threads nor the width of a vector can change a
   bit. The numbers of a law that are the same for all elements are worked out in double, by
   multiplications alone where pow() would do: a C library may round that one differently. */
#ifndef MD_UPDATE_H
#define MD_UPDATE_H

#include "../minidrop.h"
#include "../vec.h"

typedef struct { const md_param *list; ptrdiff_t count; double factor; } update_work;

/* A chunk: elements first .. first + n of the parameter t, which is found by bisection. */
typedef struct { const md_param *t; ptrdiff_t first, n; } md_chunk;

static md_chunk find_chunk(const update_work *w, ptrdiff_t chunk)
{
    ptrdiff_t low = 0, high = w->count;
    while (high - low > 1) {
        const ptrdiff_t middle = (low + high) / 2;
        if (w->list[middle].chunks_before <= chunk) low = middle;
        else high = middle;
    }
    const md_param *t = w->list + low;
    const ptrdiff_t first = (chunk - t->chunks_before) * MD_UPDATE_CHUNK;
    return (md_chunk){t, first, smaller(t->size - first, MD_UPDATE_CHUNK)};
}

/* Do `item` for every chunk of the list; an element costs `cost` nanoseconds. */
static void update_chunks(update_work *w, double cost, md_item *item)
{
    if (w->count == 0) return;
    const md_param *last = w->list + w->count - 1;
    double elements = 0;
    for (const md_param *t = w->list; t <= last; t++) elements += (double)t->size;
    const ptrdiff_t chunks = last->chunks_before + ceil_div(last->size, MD_UPDATE_CHUNK);
    md_parallel_for(chunks, cost * elements, item, w);
}

/* base^n by squaring. */
static double whole_power(double base, ptrdiff_t n)
{
    double result = 1;
    for (; n > 0; n /= 2, base *= base)
        if (n % 2) result *= base;
    return result;
}

/* ---- laws ---- */

/* The numbers of a step, in every lane. */
typedef struct {
    vf lr, momentum, beta1, beta2, rest1, rest2, eps, decay, l1, shrink, root;
    int penalised, nesterov;
} numbers;

static numbers law_numbers(const md_rule *r, ptrdiff_t step)
{
    double lr = r->lr, root = 1;
    if (r->law == MD_ADAM) { /* both averages started at 0: lift them */
        lr = r->lr / (1 - whole_power(r->beta1, step));
        root = 1 / sqrt(1 - whole_power(r->beta2, step));
    } else if (r->law == MD_ADAGRAD) {
        lr = r->lr / (1 + (double)(step - 1) * r->lr_decay);
    }
    return (numbers){
        .lr = set1((real)lr), .momentum = set1((real)r->momentum),
        .beta1 = set1((real)r->beta1), .rest1 = set1((real)(1 - r->beta1)),
        .beta2 = set1((real)r->beta2), .rest2 = set1((real)(1 - r->beta2)),
        .eps = set1((real)r->eps), .root = set1((real)root),
        .decay = set1((real)r->decay), .l1 = set1((real)r->l1),
        .shrink = set1((real)(1 - r->lr * r->decoupled_decay)),
        .penalised = r->decay != 0 || r->l1 != 0, .nesterov = r->nesterov,
    };
}

/* g + decay p + l1 sign(p) */
INLINE vf penalised(const numbers *c, vf p, vf g)
{
    const vf slope = keep(lt(zero(), p), c->l1) - keep(lt(p, zero()), c->l1);
    return fma_(c->decay, p, g) + slope;
}

/* A state to which nothing is added any more fades, but never to 0: nine tenths of the smallest
   number are rounded to itself. There it would stay, a denormal number, and division takes several
   times as long for these. So it is 0 where it is no normal number any more; NaN stays. */
INLINE vf faded(vf state)
{
    const vf smallest = set1((real)(sizeof(real) == 4 ? FLT_MIN : DBL_MIN));
    return keep(not_(lt(abs_(state), smallest)), state);
}

/* m elements of one parameter, from i on; `law` is a constant where this is inlined. */
INLINE void law_vector(const int law, const numbers *c, const md_param *t, ptrdiff_t i,
                       ptrdiff_t m)
{
    real *const *const state = t->state;
    vf p = load_some(t->value + i, m), g = load_some(t->grad + i, m);
    if (c->penalised) g = penalised(c, p, g);

    if (law == MD_SGD) {
        if (state[0]) {
            const vf v = faded(fma_(c->momentum, load_some(state[0] + i, m), g));
            store_some(state[0] + i, v, m);
            g = c->nesterov ? fma_(c->momentum, v, g) : v;
        }
        p = fma_(-c->lr, g, p);
    }
    if (law == MD_ADAM) {
        vf mean = load_some(state[0] + i, m), square = load_some(state[1] + i, m);
        mean = faded(fma_(c->beta1, mean, c->rest1 * g));
        square = faded(fma_(c->rest2, g * g, c->beta2 * square));
        store_some(state[0] + i, mean, m);
        store_some(state[1] + i, square, m);
        p = fma_(-c->lr, mean / fma_(sqrt_(square), c->root, c->eps), p * c->shrink);
    }
    if (law == MD_RMSPROP) {
        vf square = load_some(state[0] + i, m);
        square = faded(fma_(c->rest2, g * g, c->beta2 * square));
        store_some(state[0] + i, square, m);
        if (state[1]) { /* the variance instead; rounding may take it below 0 */
            vf mean = load_some(state[1] + i, m);
            mean = faded(fma_(c->rest2, g - mean, mean));
            store_some(state[1] + i, mean, m);
            square = max_(zero(), fma_(-mean, mean, square));
        }
        g /= sqrt_(square) + c->eps;
        if (state[2]) {
            g = faded(fma_(c->momentum, load_some(state[2] + i, m), g));
            store_some(state[2] + i, g, m);
        }
        p = fma_(-c->lr, g, p);
    }
    if (law == MD_ADAGRAD) {
        const vf sum = fma_(g, g, load_some(state[0] + i, m));
        store_some(state[0] + i, sum, m);
        p = fma_(-c->lr, g / (sqrt_(sum) + c->eps), p);
    }
    if (law == MD_ADADELTA) {
        vf square = load_some(state[0] + i, m), deltas = load_some(state[1] + i, m);
        square = faded(fma_(c->rest2, g * g, c->beta2 * square));
        /* one root of the quotient: a root takes as long as a division */
        const vf delta = sqrt_((deltas + c->eps) / (square + c->eps)) * g;
        deltas = faded(fma_(c->rest2, delta * delta, c->beta2 * deltas));
        store_some(state[0] + i, square, m);
        store_some(state[1] + i, deltas, m);
        p = fma_(-c->lr, delta, p);
    }
    store_some(t->value + i, p, m);
}

INLINE void law_chunk(const int law, const md_chunk *chunk)
{
    const md_param t = *chunk->t; /* a copy, which no store can change */
    const numbers c = law_numbers(t.rule, t.step);
    const ptrdiff_t end = chunk->first + chunk->n, whole = end - chunk->n % W;
    for (ptrdiff_t i = chunk->first; i < whole; i += W) law_vector(law, &c, &t, i, W);
    if (whole < end) law_vector(law, &c, &t, whole, end - whole);
}

static void update_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const md_chunk chunk = find_chunk(context, item);
    switch (chunk.t->rule->law) {
    case MD_SGD: law_chunk(MD_SGD, &chunk); break;
    case MD_ADAM: law_chunk(MD_ADAM, &chunk); break;
    case MD_RMSPROP: law_chunk(MD_RMSPROP, &chunk); break;
    case MD_ADAGRAD: law_chunk(MD_ADAGRAD, &chunk); break;
    case MD_ADADELTA: law_chunk(MD_ADADELTA, &chunk); break;
    }
}

static void update(const md_param *list, ptrdiff_t count)
{
    update_work w = {.list = list, .count = count};
    update_chunks(&w, 0.4, update_item);
}

static void scale_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const update_work *w = context;
    const md_chunk chunk = find_chunk(w, item);
    real *const x = chunk.t->value + chunk.first;
    const vf factor = set1((real)w->factor);
    FOR_VECTORS(i, m, chunk.n) store_some(x + i, load_some(x + i, m) * factor, m);
}

static void scale_list(const md_param *list, ptrdiff_t count, double factor)
{
    update_work w = {.list = list, .count = count, .factor = factor};
    update_chunks(&w, 0.2, scale_item);
}

/* ---- max_norm ---- */

typedef struct {
    real *w;
    const real *factor;            /* one a column */
    ptrdiff_t rows, cols, rows_per_item;
} max_norm_work;

static void max_norm_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const max_norm_work *work = context;
    const ptrdiff_t first = item * work->rows_per_item;
    for (ptrdiff_t r = first; r < smaller(work->rows, first + work->rows_per_item); r++) {
        real *const row = work->w + r * work->cols;
        FOR_VECTORS(j, m, work->cols)
            store_some(row + j, load_some(row + j, m) * load_some(work->factor + j, m), m);
    }
}

static void max_norm(real *w, ptrdiff_t rows, ptrdiff_t cols, double limit, real *scratch)
{
    if (rows == 0 || cols == 0) return;
    real *const factor = scratch; /* first the sums of squares */
    sum(factor, w, 1, rows, cols, 1, 1, scratch + cols);
    const vf most = set1((real)limit), infinite = set1((real)INFINITY);
    uint32_t any = 0;
    FOR_VECTORS(j, m, cols) {
        const vf norm = sqrt_(load_some(factor + j, m));
        const vm over = and_(lt(most, norm), lt(norm, infinite));
        any |= bits_from_mask(over);
        store_some(factor + j, blend(over, most / norm, set1(1)), m);
    }
    if (!any) return;
    const ptrdiff_t rows_per_item = larger(1, MD_UPDATE_CHUNK / cols);
    max_norm_work work = {w, factor, rows, cols, rows_per_item};
    md_parallel_for(ceil_div(rows, rows_per_item), 0.2 * (double)rows * (double)cols,
                    max_norm_item, &work);
}

#endif
