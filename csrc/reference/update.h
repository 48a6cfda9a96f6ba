/* A state that fades, 0 where it is no normal number any more. */
static real faded(real state) { return fabsf(state) < FLT_MIN ? 0 : state; }

/* One step of each law, as its paper has it, an element at a time. */
static real update_element(const md_param *t, ptrdiff_t i)
{
    const md_rule *r = t->rule;
    const real beta1 = (real)r->beta1, rest1 = (real)(1 - r->beta1);
    const real beta2 = (real)r->beta2, rest2 = (real)(1 - r->beta2);
    const real eps = (real)r->eps, momentum = (real)r->momentum;
    const real p = t->value[i];
    real g = t->grad[i], lr = (real)r->lr;
    if (r->decay != 0) g += (real)r->decay * p;
    if (r->l1 != 0) g += (real)r->l1 * (real)((p > 0) - (p < 0));

    switch (r->law) {
    case MD_SGD: {
        if (!t->state[0]) return p - lr * g;
        const real v = t->state[0][i] = faded(momentum * t->state[0][i] + g);
        return p - lr * (r->nesterov ? g + momentum * v : v);
    }
    case MD_ADAM: {
        const real m = t->state[0][i] = faded(beta1 * t->state[0][i] + rest1 * g);
        const real v = t->state[1][i] = faded(beta2 * t->state[1][i] + rest2 * g * g);
        const real lifted_m = m / (real)(1 - pow(r->beta1, (double)t->step));
        const real lifted_v = v / (real)(1 - pow(r->beta2, (double)t->step));
        const real shrunk = p * (real)(1 - r->lr * r->decoupled_decay);
        return shrunk - lr * lifted_m / (sqrtf(lifted_v) + eps);
    }
    case MD_RMSPROP: {
        real v = t->state[0][i] = faded(beta2 * t->state[0][i] + rest2 * g * g);
        if (t->state[1]) {
            const real mean = t->state[1][i] = faded(beta2 * t->state[1][i] + rest2 * g);
            v = fmaf(-mean, mean, v);
            if (v < 0) v = 0;
        }
        real u = g / (sqrtf(v) + eps);
        if (t->state[2]) u = t->state[2][i] = faded(momentum * t->state[2][i] + u);
        return p - lr * u;
    }
    case MD_ADAGRAD: {
        const real s = t->state[0][i] += g * g;
        lr = (real)(r->lr / (1 + (double)(t->step - 1) * r->lr_decay));
        return p - lr * g / (sqrtf(s) + eps);
    }
    default: { /* MD_ADADELTA */
        const real v = t->state[0][i] = faded(beta2 * t->state[0][i] + rest2 * g * g);
        const real u = sqrtf((t->state[1][i] + eps) / (v + eps)) * g;
        t->state[1][i] = faded(beta2 * t->state[1][i] + rest2 * u * u);
        return p - lr * u;
    }
    }
}

static void update(const md_param *list, ptrdiff_t count)
{
    for (const md_param *t = list; t < list + count; t++)
        for (ptrdiff_t i = 0; i < t->size; i++) t->value[i] = update_element(t, i);
}

static void scale_list(const md_param *list, ptrdiff_t count, double factor)
{
    for (const md_param *t = list; t < list + count; t++)
        for (ptrdiff_t i = 0; i < t->size; i++) t->value[i] *= (real)factor;
}

static void max_norm(real *w, ptrdiff_t rows, ptrdiff_t cols, double limit, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t j = 0; j < cols; j++) {
        double squares = 0;
        for (ptrdiff_t i = 0; i < rows; i++) {
            const double x = w[i * cols + j];
            squares += x * x;
        }
        const double norm = sqrt(squares);
        if (norm <= limit || !isfinite(norm)) continue;
        for (ptrdiff_t i = 0; i < rows; i++) w[i * cols + j] *= (real)(limit / norm);
    }
}
