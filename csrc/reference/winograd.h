/* Winograd's convolution from its definition. A tile of 6 x 6 inputs is a polynomial in two
   variables; the product with the filter is taken at 36 pairs of points, and n x n outputs, n =
   7 - r for a filter of r x r, are read off:

       y = A^T [ (G w G^T) . (B^T d B) ] A

   The backward transposes each of these steps. Transforms are taken in double. */
enum { POINTS = 6, POINTS2 = 36 };

typedef struct {
    ptrdiff_t r, n;
    double bt[POINTS][POINTS], g[POINTS][POINTS], at[POINTS][POINTS]; /* 6 x 6, 6 x r, n x 6 */
} matrices;

/* The points 0, 3/4, -3/4, 3/2, -3/2 and infinity. */
static matrices winograd_matrices(const md_conv *c)
{
    static const double point[] = {0, 0.75, -0.75, 1.5, -1.5};
    const int infinity = POINTS - 1;
    matrices s = {.r = c->kh, .n = POINTS + 1 - c->kh};
    for (int p = 0; p < POINTS; p++) {
        /* row p of B^T: the polynomial that is 0 at all other points; of G: powers over its value
           at p */
        double value = 1;
        s.bt[p][0] = 1;
        for (int q = 0; q < infinity; q++) {
            if (q == p) continue;
            for (int i = infinity; i >= 0; i--)
                s.bt[p][i] = (i ? s.bt[p][i - 1] : 0) - point[q] * s.bt[p][i];
            if (p != infinity) value *= point[p] - point[q];
        }
        for (int k = 0; k < s.r; k++)
            s.g[p][k] = p == infinity ? k == s.r - 1 : pow(point[p], k) / value;
        for (int i = 0; i < s.n; i++)
            s.at[i][p] = p == infinity ? i == s.n - 1 : pow(point[p], i);
    }
    return s;
}

/* to (rows, rows) = t from t^T for t (rows, cols); with turned, t^T from t (cols, cols). */
static void both_ways(double *to, const double *from, const double t[POINTS][POINTS],
                      ptrdiff_t rows, ptrdiff_t cols, int turned)
{
    const ptrdiff_t size = turned ? cols : rows, inner = turned ? rows : cols;
    for (ptrdiff_t i = 0; i < size * size; i++) {
        double sum = 0;
        for (ptrdiff_t j = 0; j < inner * inner; j++) {
            const ptrdiff_t a = i / size, b = i % size, c = j / inner, d = j % inner;
            sum += (turned ? t[c][a] * t[d][b] : t[a][c] * t[b][d]) * from[j];
        }
        to[i] = sum;
    }
}

/* What the weights become: u and du (36, cin, cout); a tile: v and dv (36, cin), m (36, cout); and
   an image of y before pooling. */
typedef struct { real *u, *du, *v, *dv, *m, *z; } winograd_rooms;

static ptrdiff_t winograd_scratch(const md_conv *g, int backward)
{
    (void)backward;
    return POINTS2 * (2 * g->cin * g->cout + 2 * g->cin + g->cout) + g->oh * g->ow * g->cout;
}

static winograd_rooms winograd_rooms_of(const md_conv *g, real *scratch)
{
    winograd_rooms s;
    s.u = scratch;
    s.du = s.u + POINTS2 * g->cin * g->cout;
    s.v = s.du + POINTS2 * g->cin * g->cout;
    s.dv = s.v + POINTS2 * g->cin;
    s.m = s.dv + POINTS2 * g->cin;
    s.z = s.m + POINTS2 * g->cout;
    return s;
}

static void winograd_weights(real *u, const real *w, const md_conv *g, const matrices *t)
{
    double taps[POINTS2], points[POINTS2];
    for (ptrdiff_t i = 0; i < g->cin * g->cout; i++) {
        for (ptrdiff_t k = 0; k < t->r * t->r; k++)
            taps[k] = weight_at(w, k * g->cin * g->cout + i, g);
        both_ways(points, taps, t->g, POINTS, t->r, 0);
        for (int p = 0; p < POINTS2; p++) u[p * g->cin * g->cout + i] = (real)points[p];
    }
}

/* v of the tile whose outputs begin at (y, x). */
static void winograd_input(real *v, const real *image, const md_conv *g, const matrices *t,
                           ptrdiff_t y, ptrdiff_t x)
{
    double tile[POINTS2], points[POINTS2];
    for (ptrdiff_t ci = 0; ci < g->cin; ci++) {
        for (int i = 0; i < POINTS2; i++) {
            const ptrdiff_t iy = y - g->pad_h + i / POINTS, ix = x - g->pad_w + i % POINTS;
            const int inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
            tile[i] = inside ? image[(iy * g->w + ix) * g->cin + ci] : 0;
        }
        both_ways(points, tile, t->bt, POINTS, POINTS, 0);
        for (int p = 0; p < POINTS2; p++) v[p * g->cin + ci] = (real)points[p];
    }
}

static void winograd_forward(real *y, uint8_t *where, const real *x, const real *w,
                             const real *bias, const md_conv *g, real *scratch)
{
    const matrices t = winograd_matrices(g);
    const winograd_rooms s = winograd_rooms_of(g, scratch);
    const ptrdiff_t p = g->pool, rows = g->oh / p, cols = g->ow / p;
    double points[POINTS2], tile[POINTS2];
    winograd_weights(s.u, w, g, &t);
    for (ptrdiff_t n = 0; n < g->n; n++) {
        for (ptrdiff_t oy = 0; oy < g->oh; oy += t.n)
            for (ptrdiff_t ox = 0; ox < g->ow; ox += t.n) {
                winograd_input(s.v, x + n * g->h * g->w * g->cin, g, &t, oy, ox);
                for (ptrdiff_t co = 0; co < g->cout; co++) {
                    for (int q = 0; q < POINTS2; q++) {
                        real sum = 0;
                        for (ptrdiff_t ci = 0; ci < g->cin; ci++)
                            sum = fmaf(s.v[q * g->cin + ci], s.u[(q * g->cin + ci) * g->cout + co],
                                       sum);
                        points[q] = sum;
                    }
                    both_ways(tile, points, t.at, t.n, POINTS, 0);
                    for (ptrdiff_t i = 0; i < t.n * t.n; i++) {
                        const ptrdiff_t zy = oy + i / t.n, zx = ox + i % t.n;
                        const real z = (real)(tile[i] + (bias ? bias[co] : 0));
                        if (zy >= g->oh || zx >= g->ow) continue;
                        s.z[(zy * g->ow + zx) * g->cout + co] = g->relu && z < 0 ? 0 : z;
                    }
                }
            }
        for (ptrdiff_t i = 0; i < rows * cols * g->cout; i++) {
            const ptrdiff_t at = n * rows * cols * g->cout + i;
            const real *window = s.z + (i / g->cout / cols * p * g->ow + i / g->cout % cols * p) *
                                           g->cout + i % g->cout;
            for (ptrdiff_t q = 0; q < p * p; q++) {
                const real z = window[(q / p * g->ow + q % p) * g->cout];
                if (q && !(z > y[at] || (isnan(z) && !isnan(y[at])))) continue;
                y[at] = z;
                if (where) where[at] = (uint8_t)q;
            }
        }
    }
    drop_tail(y, g->n * rows * cols * g->cout, g);
}

/* z: the gradient of one image before dropout, pooling and relu. */
static void winograd_dz(real *z, const real *dy, const real *y, const uint8_t *where,
                        const md_conv *g, ptrdiff_t n)
{
    const ptrdiff_t p = g->pool, rows = g->oh / p, cols = g->ow / p;
    memset(z, 0, (size_t)(g->oh * g->ow * g->cout) * sizeof(real));
    for (ptrdiff_t i = 0; i < rows * cols * g->cout; i++) {
        const ptrdiff_t at = n * rows * cols * g->cout + i, q = p > 1 ? where[at] : 0;
        const ptrdiff_t zy = i / g->cout / cols * p + q / p, zx = i / g->cout % cols * p + q % p;
        const real scale = g->drop ? (real)g->drop->law.scale : 1;
        if (!g->relu || y[at] > 0) z[(zy * g->ow + zx) * g->cout + i % g->cout] = dy[at] * scale;
    }
}

static void winograd_backward(real *dx, real *dw, real *db, const real *x, const real *w,
                              const real *dy, const real *y, const uint8_t *where,
                              const md_conv *g, real *scratch)
{
    const matrices t = winograd_matrices(g);
    const winograd_rooms s = winograd_rooms_of(g, scratch);
    const ptrdiff_t image = g->h * g->w * g->cin, pairs = g->cin * g->cout;
    double points[POINTS2], tile[POINTS2];
    winograd_weights(s.u, w, g, &t);
    memset(s.du, 0, (size_t)(POINTS2 * pairs) * sizeof(real));
    if (dx) memset(dx, 0, (size_t)(g->n * image) * sizeof(real));
    if (db) memset(db, 0, (size_t)g->cout * sizeof(real));
    for (ptrdiff_t n = 0; n < g->n; n++) {
        winograd_dz(s.z, dy, y, where, g, n);
        for (ptrdiff_t i = 0; db && i < g->oh * g->ow * g->cout; i++) db[i % g->cout] += s.z[i];
        for (ptrdiff_t oy = 0; oy < g->oh; oy += t.n)
            for (ptrdiff_t ox = 0; ox < g->ow; ox += t.n) {
                winograd_input(s.v, x + n * image, g, &t, oy, ox);
                for (ptrdiff_t co = 0; co < g->cout; co++) {
                    for (ptrdiff_t i = 0; i < t.n * t.n; i++) {
                        const ptrdiff_t zy = oy + i / t.n, zx = ox + i % t.n;
                        const int inside = zy < g->oh && zx < g->ow;
                        tile[i] = inside ? s.z[(zy * g->ow + zx) * g->cout + co] : 0;
                    }
                    both_ways(points, tile, t.at, t.n, POINTS, 1);
                    for (int p = 0; p < POINTS2; p++) s.m[p * g->cout + co] = (real)points[p];
                }
                for (ptrdiff_t i = 0; i < POINTS2 * g->cin; i++) {
                    const real *m = s.m + i / g->cin * g->cout;
                    s.dv[i] = 0;
                    for (ptrdiff_t co = 0; co < g->cout; co++) {
                        real *du = s.du + i * g->cout + co;
                        *du = fmaf(s.v[i], m[co], *du);
                        s.dv[i] = fmaf(m[co], s.u[i * g->cout + co], s.dv[i]);
                    }
                }
                for (ptrdiff_t ci = 0; dx && ci < g->cin; ci++) {
                    for (int p = 0; p < POINTS2; p++) points[p] = s.dv[p * g->cin + ci];
                    both_ways(tile, points, t.bt, POINTS, POINTS, 1);
                    for (int i = 0; i < POINTS2; i++) {
                        const ptrdiff_t iy = oy - g->pad_h + i / POINTS;
                        const ptrdiff_t ix = ox - g->pad_w + i % POINTS;
                        if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w) continue;
                        dx[n * image + (iy * g->w + ix) * g->cin + ci] += (real)tile[i];
                    }
                }
            }
    }
    if (dx && g->masks_dx) mask_dx(dx, x, g);
    for (ptrdiff_t i = 0; dw && i < pairs; i++) {
        for (int p = 0; p < POINTS2; p++) points[p] = s.du[p * pairs + i];
        both_ways(tile, points, t.g, POINTS, t.r, 1);
        for (ptrdiff_t k = 0; k < t.r * t.r; k++) dw[k * pairs + i] = (real)tile[k];
    }
}
