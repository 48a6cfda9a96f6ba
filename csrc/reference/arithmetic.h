/* One element of a result that operands broadcast to: where operand i has it. */
static ptrdiff_t operand_at(const md_broadcast *s, int i, ptrdiff_t element)
{
    ptrdiff_t at = 0;
    for (int d = 0; d < s->ndim; d++) {
        at += element % s->size[d] * s->step[i][d];
        element /= s->size[d];
    }
    return at;
}

static ptrdiff_t elements(const md_broadcast *s)
{
    ptrdiff_t n = 1;
    for (int d = 0; d < s->ndim; d++) n *= s->size[d];
    return n;
}

static real binary_of(real a, real b, int op)
{
    switch (op) {
    case MD_ADD: return a + b;
    case MD_SUB: return a - b;
    case MD_MUL: return a * b;
    case MD_DIV: return a / b;
    case MD_MAXIMUM: return a > b || a != a ? a : b;
    case MD_MINIMUM: return a < b || a != a ? a : b;
    default: return powf(a, b);
    }
}

static void binary(real *y, const real *a, const real *b, const md_broadcast *s, int op)
{
    for (ptrdiff_t i = 0; i < elements(s); i++)
        y[i] = binary_of(a[operand_at(s, 0, i)], b[operand_at(s, 1, i)], op);
}

static void where(real *y, const uint8_t *condition, const real *a, const real *b,
                  const md_broadcast *s)
{
    for (ptrdiff_t i = 0; i < elements(s); i++)
        y[i] = condition[operand_at(s, 2, i)] ? a[operand_at(s, 0, i)] : b[operand_at(s, 1, i)];
}

static real unary_of(real x, int op)
{
    switch (op) {
    case MD_NEG: return -x;
    case MD_ABS: return fabsf(x);
    case MD_SQRT: return sqrtf(x);
    case MD_EXP: return expf(x);
    case MD_LOG: return logf(x);
    default: return x;
    }
}

static void unary(real *y, const real *x, ptrdiff_t n, int op)
{
    for (ptrdiff_t i = 0; i < n; i++) y[i] = unary_of(x[i], op);
}

static void clip(real *y, const real *x, ptrdiff_t n, double low, double high)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const real above = x[i] < (real)low ? (real)low : x[i];
        y[i] = above > (real)high ? (real)high : above;
    }
}
