/* Tiles on their way to the 36 points and back, W channels at a time.

       x   --tile_to_points-->     V  --,                             to_points
                                         products per point (winograd.h)
       y   <--tile_from_points--   M  <-'                             from_points

       dx  <--add_tile-->          dV                                 to_points_transposed
       dz  --gradient_to_points--> dM                                 from_points_transposed

   A `square` says where a tile's pixels are, and which of them the image has. The others read as
   zeros, and are not written. */
#ifndef MD_WINOGRAD_TILES_H
#define MD_WINOGRAD_TILES_H

#include "tiling.h"
#include "window.h"
#include "winograd_transform.h"

typedef struct {
    ptrdiff_t at, row, col;      /* of pixel (0, 0), even where it is outside; between pixels */
    int top, bottom, left, right; /* pixels inside: top <= y < bottom, left <= x < right */
} square;

/* size x size pixels at (y, x) of an image (h, w, c). */
INLINE square square_at(ptrdiff_t y, ptrdiff_t x, ptrdiff_t h, ptrdiff_t w, ptrdiff_t c,
                        const int size)
{
    return (square){(y * w + x) * c, w * c, c,
                    (int)larger(0, smaller(-y, size)), (int)larger(0, smaller(h - y, size)),
                    (int)larger(0, smaller(-x, size)), (int)larger(0, smaller(w - x, size))};
}
INLINE int is_whole(const square *q, const int size)
{
    return q->top == 0 && q->left == 0 && q->bottom == size && q->right == size;
}

/* Copy what the image has of a square, zeros for the rest; and back. */
INLINE void read_square(vf *to, const real *image, const square *q, ptrdiff_t m, const int size)
{
    for (int i = 0; i < size * size; i++) to[i] = zero();
    for (int y = q->top; y < q->bottom; y++)
        for (int x = q->left; x < q->right; x++)
            to[y * size + x] = load_some(image + q->at + y * q->row + x * q->col, m);
}
INLINE void write_square(real *image, const vf *from, const square *q, ptrdiff_t m, const int size)
{
    for (int y = q->top; y < q->bottom; y++)
        for (int x = q->left; x < q->right; x++)
            store_some(image + q->at + y * q->row + x * q->col, from[y * size + x], m);
}

/* n vectors, `apart` reals from each other. The compiler must not see the sums: it would keep a
   tile's 36 on the stack, and load each before it loads what stands there. */
INLINE void load_apart(vf *to, const real *p, ptrdiff_t apart, const int n)
{
    for (int i = 0; i < n; i++, p += apart) {
        HIDE(p);
        to[i] = load(p);
    }
}
INLINE void store_apart(real *p, ptrdiff_t apart, const vf *from, const int n)
{
    for (int i = 0; i < n; i++, p += apart) {
        HIDE(p);
        store(p, from[i]);
    }
}

/* v[36], `point` apart, from 6 x 6 pixels at x. */
INLINE void tile_to_points(real *v, ptrdiff_t point, const real *x, ptrdiff_t row, ptrdiff_t col)
{
    vf down[POINTS][POINTS], across[POINTS];
    for (int j = 0; j < POINTS; j++) {
        vf column[POINTS];
        load_apart(column, x + j * col, row, POINTS);
        to_points(across, column);
        for (int i = 0; i < POINTS; i++) down[i][j] = across[i];
    }
    for (int i = 0; i < POINTS; i++) {
        to_points(across, down[i]);
        store_apart(v + i * POINTS * point, point, across, POINTS);
    }
}

/* n x n pixels from m[36]. */
INLINE void tile_from_points(vf *y, const real *m, ptrdiff_t point, const int n)
{
    vf down[4][POINTS], across[4];
    for (int j = 0; j < POINTS; j++) {
        vf column[POINTS];
        load_apart(column, m + j * point, POINTS * point, POINTS);
        from_points(across, column, n);
        for (int i = 0; i < n; i++) down[i][j] = across[i];
    }
    for (int i = 0; i < n; i++) from_points(y + i * n, down[i], n);
}

/* m[36] from n x n pixels of dz. */
INLINE void gradient_to_points(real *m, ptrdiff_t point, const real *dz, ptrdiff_t row,
                               ptrdiff_t col, const int n)
{
    vf down[POINTS][4], across[POINTS];
    for (int j = 0; j < n; j++) {
        vf column[4];
        load_apart(column, dz + j * col, row, n);
        from_points_transposed(across, column, n);
        for (int i = 0; i < POINTS; i++) down[i][j] = across[i];
    }
    for (int i = 0; i < POINTS; i++) {
        from_points_transposed(across, down[i], n);
        store_apart(m + i * POINTS * point, point, across, POINTS);
    }
}

/* 6 x 6 pixels of dx from v[36]. */
INLINE void tile_from_points_transposed(vf *dx, const real *v, ptrdiff_t point)
{
    vf down[POINTS][POINTS], across[POINTS];
    for (int j = 0; j < POINTS; j++) {
        vf column[POINTS];
        load_apart(column, v + j * point, POINTS * point, POINTS);
        to_points_transposed(across, column);
        for (int i = 0; i < POINTS; i++) down[i][j] = across[i];
    }
    for (int i = 0; i < POINTS; i++) to_points_transposed(dx + i * POINTS, down[i]);
}

/* ---- all channels of a tile ---- */

/* v: one tile's channels of point 0; c: the channels of the image. */
INLINE void x_tile(real *v, ptrdiff_t point, const real *image, const square *q, ptrdiff_t c)
{
    const int whole = is_whole(q, POINTS);
    FOR_FEW_VECTORS(j, m, c)
        if (whole && m == W) tile_to_points(v + j, point, image + q->at + j, q->row, q->col);
        else {
            vf pixels[POINTS2];
            read_square(pixels, image + j, q, m, POINTS);
            tile_to_points(v + j, point, (const real *)pixels, POINTS * W, W);
        }
}

INLINE void dz_tile(real *dm, ptrdiff_t point, const real *dz, const square *q, ptrdiff_t c,
                    const int n)
{
    const int whole = is_whole(q, n);
    FOR_FEW_VECTORS(j, m, c)
        if (whole && m == W) gradient_to_points(dm + j, point, dz + q->at + j, q->row, q->col, n);
        else {
            vf pixels[16];
            read_square(pixels, dz + j, q, m, n);
            gradient_to_points(dm + j, point, (const real *)pixels, n * W, W, n);
        }
}

/* n x n pixels of m channels, before pooling. */
INLINE void z_tile(vf *pixels, const real *mm, ptrdiff_t point, const real *bias, int relu,
                   ptrdiff_t m, const int n)
{
    tile_from_points(pixels, mm, point, n);
    if (bias) {
        const vf b = load_some(bias, m);
        for (int i = 0; i < n * n; i++) pixels[i] += b;
    }
    if (relu)
        for (int i = 0; i < n * n; i++) pixels[i] = max_(zero(), pixels[i]);
}

/* The whole tile past the caches, a line of each pixel at a time. */
INLINE void y_tile_past(real *y, const square *q, const real *mm, ptrdiff_t point, const real *bias,
                        int relu, ptrdiff_t c, const int n)
{
    enum { LINE = LINE_REALS / W };
    for (ptrdiff_t j = 0; j < c; j += LINE_REALS) {
        vf pixels[LINE][16];
        for (int v = 0; v < LINE; v++)
            z_tile(pixels[v], mm + j + v * W, point, bias ? bias + j + v * W : NULL, relu, W, n);
        for (int i = 0; i < n * n; i++)
            for (int v = 0; v < LINE; v++)
                store_nontemporal(y + q->at + i / n * q->row + i % n * q->col + j + v * W,
                                  pixels[v][i]);
    }
}

INLINE void y_tile(real *y, const square *q, const real *mm, ptrdiff_t point, const real *bias,
                   int relu, int past, ptrdiff_t c, const int n)
{
    const int whole = is_whole(q, n);
    if (whole && past) {
        y_tile_past(y, q, mm, point, bias, relu, c, n);
        return;
    }
    FOR_FEW_VECTORS(j, m, c) {
        vf pixels[16];
        z_tile(pixels, mm + j, point, bias ? bias + j : NULL, relu, m, n);
        if (whole && m == W)
            for (int i = 0; i < n * n; i++)
                store(y + q->at + i / n * q->row + i % n * q->col + j, pixels[i]);
        else write_square(y + j, pixels, q, m, n);
    }
}

/* The same behind windows of 2 x 2, which never leave the registers. q: n/2 x n/2 pixels of y. */
INLINE void pooled_tile(real *y, uint8_t *where, const square *q, const real *mm, ptrdiff_t point,
                        const real *bias, int relu, ptrdiff_t c, const int n)
{
    FOR_FEW_VECTORS(j, m, c) {
        vf pixels[16];
        z_tile(pixels, mm + j, point, bias ? bias + j : NULL, relu, m, n);
        EACH(i, n * n / 4) {
            const int row = i / (n / 2), col = i % (n / 2);
            const vf *window = pixels + (row * n + col) * 2;
            const ptrdiff_t at = q->at + row * q->row + col * q->col + j;
            vf best = window[0], place = zero();
            if (row >= q->bottom || col >= q->right) continue;
            for (int k = 1; k < 4; k++)
                take_window(&best, &place, window[k / 2 * n + k % 2], k);
            store_some(y + at, best, m);
            if (where) store_places(where, at, as_int(place), m, 0);
        }
    }
}

/* dx += the tile: tiles overlap, and are added in their order. */
INLINE void dx_tile(real *dx, const square *q, const real *v, ptrdiff_t point, ptrdiff_t c)
{
    const int whole = is_whole(q, POINTS);
    FOR_FEW_VECTORS(j, m, c) {
        vf pixels[POINTS2];
        tile_from_points_transposed(pixels, v + j, point);
        if (whole && m == W)
            for (int i = 0; i < POINTS2; i++) {
                real *p = dx + q->at + i / POINTS * q->row + i % POINTS * q->col + j;
                store(p, load(p) + pixels[i]);
            }
        else
            for (int y = q->top; y < q->bottom; y++)
                for (int x = q->left; x < q->right; x++) {
                    real *p = dx + q->at + y * q->row + x * q->col + j;
                    store_some(p, load_some(p, m) + pixels[y * POINTS + x], m);
                }
    }
}

#endif
