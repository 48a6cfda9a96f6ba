/* Whatever is better than the best so far takes its place; nothing is better than NaN. */
static void extreme(real *y, int64_t *place, const real *x, ptrdiff_t outer, ptrdiff_t mid,
                    ptrdiff_t inner, int least)
{
    for (ptrdiff_t o = 0; o < outer; o++)
        for (ptrdiff_t j = 0; j < inner; j++) {
            const real *column = x + o * mid * inner + j;
            ptrdiff_t best = 0;
            for (ptrdiff_t k = 1; k < mid; k++) {
                const real v = column[k * inner], b = column[best * inner];
                if (b == b && (v != v || (least ? v < b : v > b))) best = k;
            }
            y[o * inner + j] = column[best * inner];
            place[o * inner + j] = best;
        }
}
