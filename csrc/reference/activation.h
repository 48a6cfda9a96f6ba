/* Activations by the mathematical library, one element at a time. */
static real normal_share(real x) { return 0.5f * erfcf(-x * 0.70710678f); }
static real sigmoid_of(real x) { return x < 0 ? expf(x) / (1 + expf(x)) : 1 / (1 + expf(-x)); }
static real gelu_gate(real x) { return sigmoid_of(1.59576912f * (x + 0.044715f * x * x * x)); }

/* x * gate, or 0 where the gate closes before an infinite x is multiplied by it. */
static real gated(real x, real gate) { return gate == 0 ? 0 : x * gate; }

static real activation_of(real x, int kind, real a, real b)
{
    switch (kind) {
    case MD_RELU: return x < 0 ? 0 : x;
    case MD_LEAKY_RELU: return x > 0 ? x : a * x;
    case MD_ELU: return x > 0 ? b * x : a * expm1f(x);
    case MD_GELU: return gated(x, normal_share(x));
    case MD_GELU_TANH: return gated(x, gelu_gate(x));
    case MD_SILU: return gated(x, sigmoid_of(x));
    case MD_SIGMOID: return sigmoid_of(x);
    case MD_TANH: return tanhf(x);
    default: return ((a * x > 0 ? a * x : 0) + log1pf(expf(-fabsf(a * x)))) * b; /* softplus */
    }
}

/* The derivative; x is the output for relu, sigmoid and tanh, the input for the others. */
static real activation_slope(real x, int kind, real a, real b)
{
    switch (kind) {
    case MD_RELU: return x > 0 ? b : 0;
    case MD_LEAKY_RELU: return x > 0 ? 1 : a;
    case MD_ELU: return x > 0 ? b : a * expf(x);
    case MD_GELU: return normal_share(x) + gated(x, 0.39894228f * expf(-0.5f * x * x));
    case MD_GELU_TANH: {
        const real s = gelu_gate(x), closing = s * (1 - s);
        return s + gated(x * 1.59576912f * (1 + 3 * 0.044715f * x * x), closing);
    }
    case MD_SILU: return sigmoid_of(x) + gated(x, sigmoid_of(x) * (1 - sigmoid_of(x)));
    case MD_SIGMOID: return x * (1 - x);
    case MD_TANH: return 1 - x * x;
    default: return sigmoid_of(a * x); /* softplus */
    }
}

static void activation_forward(real *y, const real *x, ptrdiff_t n, int kind, double a, double b)
{
    for (ptrdiff_t i = 0; i < n; i++) y[i] = activation_of(x[i], kind, (real)a, (real)b);
}

static void activation_backward(real *dx, const real *dy, const real *saved, ptrdiff_t n, int kind,
                                double a, double b)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const real slope = activation_slope(saved[i], kind, (real)a, (real)b);
        const int cut = kind == MD_RELU && !(saved[i] > 0);  /* selected, not multiplied */
        dx[i] = cut ? 0 : dy[i] * slope;
    }
}
