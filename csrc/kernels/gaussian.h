/* Normal noise: pairs of uniform numbers turned into pairs of normal ones (Box and Muller 1958).

   rng.h says which words make which z. With u uniform over (0, 1) and a point of the unit circle at
   a random angle, sqrt(-2 log u) times its two coordinates are two independent normal numbers. The
   two upper bits of the second word choose a quarter turn, the others an angle of at most an eighth
   turn to either side of it, where sine and cosine are short polynomials (for double: libm). */
#ifndef MD_GAUSSIAN_H
#define MD_GAUSSIAN_H

#include "mask.h"
#include "mathf.h"

enum { GAUSSIAN_ITEM = 1 << 14, PAIRS = SUPERBLOCK_WORDS / 2, ABREAST = 4 };
#define GAUSSIAN_NS 1.3 /* an element, about */

/* sin and cos of |x| <= pi / 4, within 1 ULP: Cephes' polynomials (Moshier, 1989). */
INLINE void sin_cos_(vf x, vf *sine, vf *cosine)
{
    static const real s[] = {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4};
    static const real c[] = {4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5};
    *sine = *cosine = x;
    if (sizeof(real) == 8) {
        MD_EACH_LANE(*sine, sin);
        MD_EACH_LANE(*cosine, cos);
        return;
    }
    const vf square = x * x;
    *sine = fma_(square * x, polynomial(square, s, 3), x);
    *cosine = fma_(square * square, polynomial(square, c, 3),
                   fma_(set1((real)-0.5), square, set1(1)));
}

/* What the words of a superblock say of its pairs. */
typedef struct {
    real u[PAIRS], angle[PAIRS];
    real turns[PAIRS];               /* quarter turns: -2, -1, 0 or 1 */
} pairs;

INLINE void read_pairs(pairs *to, const uint32_t *words)
{
    const real eighths = (real)(1.57079632679489661923 * 0x1p-32);
    for (int i = 0; i < PAIRS; i++)
        to->u[i] = (real)(int32_t)(words[i] >> 1) * (real)0x1p-31 + (real)0x1p-32;
    for (int i = 0; i < PAIRS; i++) {
        const uint32_t turn = words[PAIRS + i];
        to->angle[i] = (real)(int32_t)(turn << 2) * eighths;
        to->turns[i] = (real)((int32_t)(turn + 0x20000000) >> 30);
    }
}

/* r = sqrt(-2 log u), of vectors side by side, so that a core need not wait for one of them. */
INLINE void radii(vf r[ABREAST], const real *u)
{
    vf f[ABREAST], e[ABREAST];
    for (int k = 0; k < ABREAST; k++) f[k] = split_log(load(u + k * W), e + k);
    logs_of_splits(r, f, e, ABREAST);
    for (int k = 0; k < ABREAST; k++) {
        const vf log_u = sizeof(real) == 8 ? log_(load(u + k * W)) : r[k];
        r[k] = sqrt_(set1(-2) * log_u);
    }
}

/* The 256 normal numbers of a superblock. */
static void normals_of(real z[SUPERBLOCK_WORDS], const cipher *s, uint64_t number)
{
    uint32_t words[SUPERBLOCK_WORDS];
    pairs in;
    superblock(words, s, number);
    read_pairs(&in, words);
    for (int from = 0; from < PAIRS; from += ABREAST * W) {
        vf r[ABREAST];
        radii(r, in.u + from);
        for (int k = 0; k < ABREAST; k++) {
            const int i = from + k * W;
            const vf turns = load(in.turns + i), size = abs_(turns);
            const vf right = set1(1) - size, up = turns * (set1(2) - size);  /* 1 0, 0 1, ... */
            vf sine, cosine;
            sin_cos_(load(in.angle + i), &sine, &cosine);
            store(z + i, r[k] * (cosine * right - sine * up));
            store(z + PAIRS + i, r[k] * (sine * right + cosine * up));
        }
    }
}

typedef struct {
    real *y;
    const real *x;
    ptrdiff_t n;
    real std;
    int multiply;
    cipher cipher;
    uint64_t first;
} gaussian_work;

/* y = x (1 + std z), or x + std z; m reals of a vector. */
INLINE void add_noise(real *y, const real *x, const real *z, vf std, int multiply, ptrdiff_t m)
{
    const vf noise = load(z), in = load_some(x, m);
    store_some(y, multiply ? in * fma_(std, noise, set1(1)) : fma_(std, noise, in), m);
}

static void gaussian_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const gaussian_work *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * GAUSSIAN_ITEM);
    const vf std = set1(w->std);
    real z[SUPERBLOCK_WORDS + W];
    store(z + SUPERBLOCK_WORDS, zero());                     /* vectors may end behind it */
    for (ptrdiff_t i = item * GAUSSIAN_ITEM, n; i < end; i += n) {
        const uint64_t at = w->first + (uint64_t)i;
        const ptrdiff_t skip = (ptrdiff_t)(at % SUPERBLOCK_WORDS);
        normals_of(z, &w->cipher, at / SUPERBLOCK_WORDS);
        n = smaller(SUPERBLOCK_WORDS - skip, end - i);
        const ptrdiff_t whole = n - n % W;
        for (ptrdiff_t j = 0; j < whole; j += W)
            add_noise(w->y + i + j, w->x + i + j, z + skip + j, std, w->multiply, W);
        if (whole < n)
            add_noise(w->y + i + whole, w->x + i + whole, z + skip + whole, std, w->multiply,
                      n - whole);
    }
}

static void gaussian(real *y, const real *x, ptrdiff_t n, double std, int multiply,
                     const md_stream *s, uint64_t first)
{
    gaussian_work w = {y, x, n, (real)std, multiply, cipher_of(s, 0), first};
    md_parallel_for(ceil_div(n, GAUSSIAN_ITEM), GAUSSIAN_NS * (double)n, gaussian_item, &w);
}

#endif
