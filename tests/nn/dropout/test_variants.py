"""What every variant with a law of its own owes: calls that count, state that travels, equal bits
on every number of threads and in every process, and no mask that another sample or layer has."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_threads, hashes, normals, run_python

import minidrop as md
import minidrop.functional as F
from minidrop import nn, optim, random, train
from minidrop.tensor import Tensor, node


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    random.manual_seed(0)
    yield
    random.set_rng_state(before)


def linear():
    random.manual_seed(1)
    return nn.Linear(12, 10)


def conv():
    random.manual_seed(1)
    return nn.Conv2d(3, 4, 3)


X, IMAGE = normals((7, 12), 1), normals((7, 10, 9, 3), 1)
# name -> (the layer from p and seed, its inputs)
VARIANTS = {
    "DropConnect": (lambda p, s: nn.DropConnect(linear(), p, seed=s), (X,)),
    "DropConnect sample": (lambda p, s: nn.DropConnect(linear(), p, True, seed=s), (X,)),
    "DropConnect conv": (lambda p, s: nn.DropConnect(conv(), p, seed=s), (IMAGE,)),
    "WeightDrop": (lambda p, s: nn.WeightDrop(linear(), "weight", p, seed=s), (X,)),
    "Zoneout": (lambda p, s: nn.Zoneout(p, seed=s), (X, normals((7, 12), 2))),
    "DropBlock2d": (lambda p, s: nn.DropBlock2d(p, 3, seed=s), (IMAGE,)),
    "DropBlock2d shared": (lambda p, s: nn.DropBlock2d(p, 3, shared=True, seed=s), (IMAGE,)),
    "ConcreteDropout": (lambda p, s: nn.ConcreteDropout(p, seed=s), (X,)),
}
every = pytest.mark.parametrize("name", VARIANTS)


def make(name, p=0.3, seed=5):
    build, inputs = VARIANTS[name]
    return build(p, seed), inputs


@every
def test_calls_have_masks_of_their_own_and_eval_none(name):
    layer, inputs = make(name)
    masks = [layer(*inputs).data for _ in range(3)]
    assert len({m.tobytes() for m in masks}) == 3 and layer.call == 3
    layer.eval()
    assert_same_bits(layer(*inputs).data, layer(*inputs).data)
    layer.train()
    assert layer.call == 3 and abs(layer.p - 0.3) < 1e-7
    layer.call = 1
    assert_same_bits(layer(*inputs).data, masks[1])


@every
def test_other_seeds_and_streams_draw_other_masks(name):
    outputs = [make(name, seed=seed)[0](*VARIANTS[name][1]).data for seed in (5, 4, 5 + 2**63)]
    layer, inputs = make(name)
    layer.stream = 1
    outputs.append(layer(*inputs).data)
    assert len({y.tobytes() for y in outputs}) == 4
    random.manual_seed(3)
    first, second = make(name, seed=None)[0], make(name, seed=None)[0]
    assert first.seed in (1, 3) and first.stream > 0 and second.stream > 0


@every
def test_p_0_counts_and_changes_nothing(name):
    if name == "ConcreteDropout":
        pytest.raises(ValueError, make, name, 0)
        return
    layer, inputs = make(name, p=0)
    y = layer(*inputs).data
    assert layer.call == 1
    assert_same_bits(y, layer.eval()(*inputs).data)


@every
@pytest.mark.parametrize(
    "p, error",
    [
        (2, ValueError),
        (-0.1, ValueError),
        (256, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
    ],
)
def test_bad_p_names_the_value_and_the_layer(name, p, error):
    kind = name.split()[0]
    with pytest.raises(error, match=f"{kind}: p must be .*got {p!r}"):
        make(name, p)
    layer = make(name)[0]
    with pytest.raises(error, match=f"{kind}: p must be"):
        layer.p = p
    assert abs(layer.p - 0.3) < 1e-7


@every
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_from_the_same_call(name, copied):
    layer, inputs = make(name)
    layer(*inputs)
    twin = copied(layer)
    assert_same_bits(twin(*inputs).data, layer(*inputs).data)
    assert twin.call == layer.call == 2


@every
def test_a_checkpoint_restores_the_stream(name, tmp_path):
    layer, inputs = make(name)
    layer(*inputs)
    md.save(tmp_path / "file", layer)
    expected = layer(*inputs).data
    other = make(name, p=0.3, seed=None)[0]
    md.load(tmp_path / "file", other)
    assert_same_bits(other(*inputs).data, expected)


def trained(layer, inputs):
    """(the output, all gradients) of a training forward and backward."""
    tensors = [Tensor(x, requires_grad=True) for x in inputs]
    y = layer(*tensors)
    y.backward(y.data)
    return (y.data, *(t.grad for t in tensors), *(p.grad for p in layer.parameters()))


@every
def test_threads(name):
    inputs = [np.concatenate([x] * (1 + 200_000 // x.size)) for x in VARIANTS[name][1]]
    check_same_on_threads(
        lambda *inputs: trained(make(name)[0], inputs), *inputs, counts=range(1, 9)
    )


@every
@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
        lambda x: x[::-1].copy()[::-1],
    ],
)
def test_the_layout_in_memory_does_not_matter(name, layout):
    layer, inputs = make(name)
    moved = trained(make(name)[0], [layout(x) for x in inputs])
    for got, expected in zip(moved, trained(layer, inputs), strict=True):
        assert_same_bits(got, expected)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "ConcreteDropout"])
def test_stored_equals_recomputed(name):
    results = []
    for mask in ("bits", "recompute"):
        layer, inputs = make(name)
        layer.mask = mask
        results.append(trained(layer, inputs))
    for stored, recomputed in zip(*results, strict=True):
        assert_same_bits(stored, recomputed)


@pytest.mark.parametrize("name", ["DropConnect", "DropConnect conv", "WeightDrop"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_dropped_weight_may_be_anything(name, value, isa):
    layer, inputs = make(name)
    expected = trained(layer, inputs)
    weight = next(layer.parameters())
    ones = np.ones(weight.shape, np.float32)
    weight.data[F.dropout(ones, 0.3, training=True, seed=5).data == 0] = value
    layer.call = 0
    layer.zero_grad()
    for got, before in zip(trained(layer, inputs), expected, strict=True):
        assert_same_bits(got, before)


@every
def test_gradcheck(name):
    """In float64, the mask frozen; of the inputs and of all parameters."""
    layer, inputs = make(name)
    parameters = list(layer.parameters())

    def fn(*tensors):
        leaves = [Tensor(t.data, requires_grad=True) for t in tensors[: len(inputs)]]
        for parameter, t in zip(parameters, tensors[len(inputs) :], strict=True):
            parameter.data, parameter.grad = t.data, None
        layer.call = 3
        y = layer(*leaves)

        def backward(dout):
            y.backward(dout)
            return [leaf.grad for leaf in (*leaves, *parameters)]

        return node(y.data, tensors, backward, "layer")

    assert md.gradcheck(fn, [*(x[:2] for x in inputs), *(p.data for p in parameters)])


@every
def test_replayed_and_held(name):
    layer, inputs = make(name)
    with md.record_masks() as tape:
        first, second = layer(*inputs).data, layer(*inputs).data
    with md.replay_masks(tape):
        assert_same_bits(layer(*inputs).data, first)
        assert_same_bits(layer(*inputs).data, second)
    with md.hold_masks():
        assert_same_bits(layer(*inputs).data, layer(*inputs).data)
    assert layer.call == 3


@every
def test_samples_of_a_batch_differ_unless_the_mask_is_the_batchs(name):
    layer, inputs = make(name, p=0.5)
    same = [np.repeat(x[:1], 7, axis=0) for x in inputs]
    rows = {row.tobytes() for row in layer(*same).data}
    batchwise = name in ("DropConnect", "DropConnect conv", "WeightDrop")
    assert len(rows) == (1 if batchwise else 7)


def test_a_new_process_draws_the_same():
    code = """
import numpy as np, minidrop as md
from minidrop import nn
x = np.ones((4, 8, 8, 2), np.float32)
y = nn.DropBlock2d(0.3, 3, seed=5)(x).data
z = nn.Zoneout(0.3, seed=5)(x, 0 * x).data
print(md.isa(), __import__("hashlib").sha256(y.tobytes() + z.tobytes()).hexdigest())
"""
    runs = [
        run_python(code, MINIDROP_ISA=isa, OMP_NUM_THREADS=n).stdout.split()
        for isa, n in zip(("reference", md.available_isas()[0]), "13", strict=True)
    ]
    assert runs[0][1] == runs[1][1] and runs[0][0] != runs[1][0]


def test_a_resumed_run_draws_the_masks_that_it_would_have_drawn(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 6, 6, 2)).astype(np.float32), np.arange(60) % 3

    class Kill(train.Callback):
        runs_last = True

        def __init__(self, step=None):
            self.step = step

        def on_batch_end(self, batch, logs):
            if self.run.global_step == self.step:
                raise KeyboardInterrupt

    def run(kill, seed=0, **options):
        md.manual_seed(seed)
        model = nn.Sequential(
            nn.DropConnect(nn.Conv2d(2, 4, 3), 0.2), nn.ReLU(), nn.DropBlock2d(0.2, 2),
            nn.Flatten(), nn.DropConnect(nn.Linear(64, 16), 0.5, True),
            nn.ConcreteDropout(0.2, layer=nn.Linear(16, 8)),
            nn.WeightDrop(nn.Linear(8, 3), "weight", 0.3),
        )  # fmt: skip
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        saved = train.ModelCheckpoint(tmp_path / "{step}", every_n_steps=1)
        train.fit(
            model,
            optimizer,
            nn.CrossEntropyLoss(),
            (x, y),
            epochs=2,
            batch_size=16,
            callbacks=[saved, kill],
            progress=False,
            **options,
        )
        return hashes(*model.state_dict().values()), model.extra_state()

    expected = run(Kill())
    with pytest.raises(KeyboardInterrupt):
        run(Kill(5))
    assert run(Kill(), seed=9, resume=tmp_path / "5") == expected
