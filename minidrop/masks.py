"""Record, replay and hold: the masks of a model's dropout layers, without the masks themselves.

A mask is a function of its address, so a tape holds addresses: some hundred bytes a draw, for any
size of mask. Replayed, they give the same bits on any machine.
"""

import json
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace

from .io import write_atomically
from .nn.dropout.director import directing, director, drop_at
from .random import check_word, first_sample, sample_offset

_FORMAT = "minidrop masks 1"


@dataclass(frozen=True)
class Draw:
    """One mask: which layer asked for it, on what, and where it is.

    path: the layer's in the model, "" where none was given. layer: its type and arguments, as
    text. shape: that of its input. first_sample: see `sample_offset`.
    """

    path: str
    layer: str
    shape: tuple
    p: float
    seed: int
    stream: int
    call: int
    first_sample: int

    def fits(self, other):
        """Whether `other` is a draw of the same kind: another place for the same mask."""
        return (self.layer, self.shape, self.p) == (other.layer, other.shape, other.p)

    def __str__(self):
        of = f"{self.path} {self.layer}" if self.path else f"{self.layer} (stream {self.stream})"
        return f"{of} with p={self.p!r} on an input of shape {self.shape}"


class Tape:
    """The draws of some forwards, in order: a sequence of Draw. See `record_masks`."""

    def __init__(self, draws=()):
        self.draws = list(draws)

    def __len__(self):
        return len(self.draws)

    def __getitem__(self, index):
        return self.draws[index]

    def __eq__(self, other):
        return isinstance(other, Tape) and self.draws == other.draws

    __hash__ = None

    def __repr__(self):
        return f"Tape({len(self)} draws)"

    def save(self, path):
        """Write the tape to a file, as JSON; the file is always a whole one. OSError where it
        cannot be written."""
        content = {"format": _FORMAT, "draws": [asdict(draw) for draw in self.draws]}
        write_atomically(path, json.dumps(content, indent=1).encode())

    @classmethod
    def load(cls, path):
        """The Tape that `save` wrote. OSError where the file cannot be read, ValueError where it
        holds no such thing."""
        with open(path, "rb") as file:
            data = file.read()
        try:
            content = json.loads(data)
            if content["format"] != _FORMAT:
                raise ValueError(f"format {content['format']!r}, expected {_FORMAT!r}")
            return cls(_checked(entry) for entry in content["draws"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"{path}: not a tape of masks: {error}") from error


class _Director:
    """A context manager whose `draw(layer, inputs)` decides for all dropout layers in it."""

    def __init__(self, model=None):
        self.paths = {m: path for path, m in model.named_modules()} if model is not None else {}

    def __enter__(self):
        self.outer = director()
        self._directing = directing(self.draw)
        self._directing.__enter__()
        return self

    def __exit__(self, *error):
        self._directing.__exit__()

    def place(self, layer):
        """(seed, stream, call, first sample) of the mask that the layer will get."""
        return layer.seed, layer.stream, layer.call, first_sample()

    def around(self):
        """The context manager of this kind that surrounds this one, or None."""
        outer = getattr(self.outer, "__self__", None)
        return outer if isinstance(outer, _Director) else None

    @contextmanager
    def written(self, layer, draw):
        """What happens meanwhile is this draw, for the tapes around this one."""
        around = self.around()
        with around.written(layer, draw) if around else nullcontext():
            yield

    def asked(self, layer, inputs, place):
        """The Draw for a layer that is called with these inputs."""
        kind = f"{type(layer).__name__}({layer.extra_repr()})"
        shape = tuple(inputs[0].shape) if inputs else ()
        return Draw(self.paths.get(layer, ""), kind, shape, layer.p, *place)


class record_masks(_Director):
    """Write down where the masks of all forwards in it are: `with md.record_masks() as tape: ...`.

    model: gives the layers on the tape their paths in it, for clearer errors. The forwards are what
    they would be without; eval forwards draw nothing, predict_mc is left out, and a forward that
    fails is not on the tape from the layer on that failed.
    """

    def __enter__(self):
        super().__enter__()
        self.tape = Tape()
        return self.tape

    def place(self, layer):
        around = self.around()  # a replay may say another than the layer
        return around.place(layer) if around else super().place(layer)

    def draw(self, layer, inputs):
        with self.on_tape(self.asked(layer, inputs, self.place(layer))):
            return self.outer(layer, inputs) if self.outer else layer.draw(inputs)

    @contextmanager
    def written(self, layer, draw):
        with super().written(layer, draw):
            with self.on_tape(replace(draw, path=self.paths.get(layer, ""))):
                yield

    @contextmanager
    def on_tape(self, draw):
        """Put a draw on the tape, and take it off again where it fails."""
        draws = self.tape.draws
        here = len(draws)  # before those of layers that this one calls
        draws.append(draw)
        try:
            yield
        except BaseException:
            del draws[here:]
            raise


class replay_masks(_Director):
    """Draw the masks of a tape again, one after the other: `with md.replay_masks(tape): ...`.

    The layers' own counts of calls stand still. model: as for record_masks. It need not be the
    recorded one, but its layers must be alike: ValueError names the first that differs in its type,
    its arguments, p or the shape of its input, that asks for a mask after the end of the tape, or
    whose mask was left over at the end of the `with`. For the same masks in two branches:

        with md.record_masks() as tape:
            a = model(x)
        with md.replay_masks(tape):
            b = model(y)
    """

    def __init__(self, tape, model=None):
        if not isinstance(tape, Tape):
            raise TypeError(f"tape must be a Tape, got {type(tape).__name__}")
        super().__init__(model)
        self.tape = tape

    def __enter__(self):
        super().__enter__()
        self.position = 0
        return self

    def place(self, layer):
        if self.position == len(self.tape):
            return super().place(layer)
        draw = self.tape[self.position]
        return draw.seed, draw.stream, draw.call, draw.first_sample

    def draw(self, layer, inputs):
        asked, i = self.asked(layer, inputs, super().place(layer)), self.position
        if i == len(self.tape):
            raise ValueError(f"the tape ends after {i} draws, but {asked} asks for one more")
        draw = self.tape[i]
        if not draw.fits(asked):
            raise ValueError(f"draw {i} of the tape is that of {draw}, but {asked} asks for it")
        written = self.written(layer, replace(draw, path=asked.path))
        self.position += 1
        try:
            with written, sample_offset(draw.first_sample):
                return drop_at(layer, inputs, draw.seed, draw.stream, draw.call)
        except BaseException:
            self.position = i
            raise

    def __exit__(self, kind, *error):
        super().__exit__()
        if kind is None and self.position < len(self.tape):
            raise ValueError(f"the tape has {len(self.tape)} draws, only {self.position} were "
                             f"asked for: that of {self.tape[self.position]} is the first left")


class hold_masks(_Director):
    """Every layer keeps its mask: `with md.hold_masks(): ...`.

    Each dropout layer draws, at every training forward in it, the mask that it would have drawn at
    the first. Afterwards, the layers that were used have counted one call. So the same sub-network
    can be trained for some steps; and slices of a batch, each under `sample_offset`, are one
    forward:

        with md.hold_masks():
            for k in range(0, len(x), 32):
                with md.sample_offset(k):
                    model(x[k : k + 32])

    A layer that a model calls twice has the same mask both times.
    """

    def __enter__(self):
        self.used = {}
        return super().__enter__()

    def draw(self, layer, inputs):
        with self.written(layer, self.asked(layer, inputs, self.place(layer))):
            out = layer.drop(*inputs)
        self.used[layer] = None
        return out

    def __exit__(self, *error):
        super().__exit__()
        for layer in self.used:
            layer.count_call()


def _checked(entry):
    names = [field.name for field in fields(Draw)]
    if sorted(entry) != sorted(names):
        raise ValueError(f"a draw must have {names}, got {sorted(entry)}")
    for name in ("seed", "stream", "call", "first_sample"):
        check_word(entry[name], name)
    for name, kind in (("path", str), ("layer", str), ("shape", list), ("p", (int, float))):
        if not isinstance(entry[name], kind):
            raise ValueError(f"{name} must not be {entry[name]!r}")
    shape = tuple(check_word(size, "shape") for size in entry["shape"])
    return Draw(**{**entry, "shape": shape})
