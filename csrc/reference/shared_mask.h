/* Element by element: where its bit is. */
static void shared_mask(real *y, const real *x, const uint32_t *bits, const md_broadcast *s,
                        const md_drop_law *law)
{
    ptrdiff_t n = 1;
    for (int d = 0; d < s->ndim; d++) n *= s->size[d];
    for (ptrdiff_t i = 0; i < n; i++) {
        ptrdiff_t at = 0, left = i;
        for (int d = 0; d < s->ndim; d++) {
            at += left % s->size[d] * s->step[0][d];
            left /= s->size[d];
        }
        y[i] = drop_element(x[i], bits[at / 32] >> at % 32 & 1, law);
    }
}
