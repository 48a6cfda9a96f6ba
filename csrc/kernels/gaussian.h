/* Normal noise: pairs of uniform numbers turned into pairs of normal ones (Box and Muller 1958).

   rng.h says which words make which z. With u uniform over (0, 1) and a point of the unit circle at
   a random angle, sqrt(-2 log u) times its two coordinates are two independent normal numbers. A
   bit chooses the right or the left half of the circle, so that the angle is at most a quarter turn
   from its middle, and sine and cosine are short polynomials (for double: libm). */
#ifndef MD_GAUSSIAN_H
#define MD_GAUSSIAN_H

#include "mask.h"
#include "mathf.h"

enum {
    UNIT = 3,                                /* superblocks, which make */
    PAIRS = 2 * SUPERBLOCK_WORDS,            /* points of the plane */
    NORMALS = 2 * PAIRS,
    GAUSSIAN_ITEM = 16 * NORMALS,
    ABREAST = 4                              /* vectors whose logarithms wait for each other */
};
#define GAUSSIAN_NS 1.0 /* an element, about */

/* W words, moved left by some bits, as signed numbers in lanes. */
INLINE vi load_words(const uint32_t *p, int left)
{
    vi v;
    for (int i = 0; i < W; i++) v[i] = (int32_t)(p[i] << left);
    return v;
}
INLINE vf number_of(vi n) { return __builtin_convertvector(n, vf); }

/* r = sqrt(-2 log u), u = (a mod 2^31 + 1/2) / 2^31, for ABREAST vectors in step: none has to wait
   for itself. -2 log(1 + f) = f q(f) within 1.7e-7 of itself, f as in log_. */
INLINE void radii(real *r, const uint32_t *a)
{
    static const real q[] = {-1.999999881, 1.000007153, -0.6667014956, 0.4994036853,
                             -0.3980023861, 0.3449631929, -0.3244299293, 0.2022488862};
    const vf ln_4 = set1((real)1.386294361119890618834464);
    vf u[ABREAST], f[ABREAST], e[ABREAST], y[ABREAST];
    for (int k = 0; k < ABREAST; k++) {
        const vf n = number_of(load_words(a + k * W, 0) & 0x7fffffff);
        u[k] = fma_(n, set1((real)0x1p-31), set1((real)0x1p-32));
        f[k] = split_log(u[k], e + k);
        y[k] = set1(q[7]);
    }
    for (int i = 6; i >= 0; i--)
        for (int k = 0; k < ABREAST; k++) y[k] = fma_(y[k], f[k], set1(q[i]));
    for (int k = 0; k < ABREAST; k++) {
        const vf square = sizeof(real) == 8 ? set1(-2) * log_(u[k])
                                            : fma_(y[k], f[k], -(e[k] * ln_4));
        store(r + k * W, sqrt_(square));
    }
}

/* sin and cos of pi t, |t| <= 1/2, within 6e-8. */
INLINE void sin_cos_pi(vf t, vf *sine, vf *cosine)
{
    static const real s[] = {3.141592503, -5.167702198, 2.549957752, -0.5976253748, 0.07643380761};
    static const real c[] = {1, -4.93479538, 4.058447361, -1.332062483, 0.2200080901};
    const vf square = t * t;
    *sine = t * polynomial(square, s, 5);
    *cosine = polynomial(square, c, 5);
    if (sizeof(real) == 8) {
        *sine = *cosine = t * set1((real)3.14159265358979323846);
        MD_EACH_LANE(*sine, sin);
        MD_EACH_LANE(*cosine, cos);
    }
}

/* The points of which z has the radii: their other coordinate goes to z + PAIRS. */
INLINE void points(real *z, vi a, vi b)
{
    const vf r = as_real(as_int(load(z)) | (a & sign_bit()));
    const vi turn = (b & ~0xffff) | (a & 0xffff);
    vf sine, cosine;
    sin_cos_pi(number_of(turn) * set1((real)0x1p-32), &sine, &cosine);
    store(z, r * cosine);
    store(z + PAIRS, r * sine);
}

/* The 1024 normal numbers of a unit. */
static void normals_of(real z[NORMALS], const cipher *s, uint64_t unit)
{
    uint32_t words[UNIT * SUPERBLOCK_WORDS];
    for (int i = 0; i < UNIT; i++)
        superblock(words + i * SUPERBLOCK_WORDS, s, unit * UNIT + (uint64_t)i);
    for (int i = 0; i < PAIRS; i += ABREAST * W) radii(z + i, words + i);
    for (int i = 0; i < PAIRS / 2; i += W) {
        const uint32_t *a = words + i, *b = words + PAIRS + i;
        points(z + i, load_words(a, 0), load_words(b, 16));
        points(z + PAIRS / 2 + i, load_words(a + PAIRS / 2, 0), load_words(b, 0));
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

/* y = x (1 + std z), or x + std z. Behind the n of z stands room for a vector. */
INLINE void add_noise(real *y, const real *x, const real *z, ptrdiff_t n, vf std, int multiply)
{
    FOR_VECTORS(i, m, n) {
        const vf noise = load(z + i), in = load_some(x + i, m);
        store_some(y + i, multiply ? in * fma_(std, noise, set1(1)) : fma_(std, noise, in), m);
    }
}

static void gaussian_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const gaussian_work *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * GAUSSIAN_ITEM);
    real z[NORMALS + W];
    store(z + NORMALS, zero());
    for (ptrdiff_t i = item * GAUSSIAN_ITEM, n; i < end; i += n) {
        const uint64_t at = w->first + (uint64_t)i;
        const ptrdiff_t skip = (ptrdiff_t)(at % NORMALS);
        n = smaller(NORMALS - skip, end - i);
        normals_of(z, &w->cipher, at / NORMALS);
        add_noise(w->y + i, w->x + i, z + skip, n, set1(w->std), w->multiply);
    }
}

static void gaussian(real *y, const real *x, ptrdiff_t n, double std, int multiply,
                     const md_stream *s, uint64_t first)
{
    gaussian_work w = {y, x, n, (real)std, multiply, cipher_of(s, 0), first};
    md_parallel_for(ceil_div(n, GAUSSIAN_ITEM), GAUSSIAN_NS * (double)n, gaussian_item, &w);
}

#endif
