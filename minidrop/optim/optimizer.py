"""What all optimizers share: parameter groups, their options, and the state of each parameter.

A step gathers the arrays of all parameters and calls the kernel once. An optimizer itself only says
which law it follows, with which numbers, and which arrays the law keeps.
"""

import copy
from operator import is_

import numpy as np

from .. import _kernels
from ..tensor import Tensor
from .options import integer, limit, not_negative

# every optimizer has these, beside its own
PENALTIES = {
    "weight_decay": not_negative,
    "l1": not_negative,
    "l2": not_negative,
    "max_norm": limit,
}


class Optimizer:
    """The base of the optimizers.

    params: an iterable of Tensors that require a gradient (`model.parameters()`), or of dicts, the
        parameter groups: {"params": Tensors, and options that differ from the others'}.
    defaults: the options of a group that does not say otherwise.

    Every optimizer takes, beside its own options,
    weight_decay: the gradient gains weight_decay p (but see AdamW);
    l1, l2: penalties, as in Keras: the loss gains l1 sum(abs(p)) + l2 sum(p^2), so the gradient
        gains l1 sign(p) + 2 l2 p;
    max_norm: after a step, the weights that lead into a unit are scaled down to this Euclidean
        norm where theirs is greater (Srivastava et al., 2014, "Dropout"). Units are the last axis
        of a parameter of two axes or more, over all others; a bias stays as it is.

    .param_groups is the list of groups, dicts whose options may be changed between steps. .state
    holds, for each parameter that was ever updated, a dict of its number of steps and its arrays.
    """

    law = None  # as _kernels.UpdateRule has it
    slots = ()  # names of the arrays that the law keeps, in the order of the kernel
    options = {}  # name: check(name, value), beside those of PENALTIES

    def __init__(self, params, defaults):
        self.state = {}
        self._plans = {}  # index of a group: what `_plan` made of its options last
        self.param_groups = []
        self.defaults = self._checked(defaults)
        groups = _in_order(params)
        if not any(isinstance(group, dict) for group in groups):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        if not any(group["params"] for group in self.param_groups):
            raise ValueError("params must hold at least one Tensor, got none")

    def __getstate__(self):
        return vars(self) | {"_plans": {}}

    def __repr__(self):
        groups = [
            f"{len(group['params'])} params, "
            + ", ".join(f"{name}={group[name]}" for name in self.defaults)
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(groups)})"

    # ---- groups ----

    def add_param_group(self, param_group):
        """Add a group: a dict of "params", Tensors that are in no group yet, and options.
        TypeError or ValueError where something does not fit; then nothing is added."""
        if not isinstance(param_group, dict):
            got = type(param_group).__name__
            raise TypeError(f"params must be all Tensors or all dicts, got {got} among dicts")
        if "params" not in param_group:
            raise ValueError(f"a parameter group needs 'params', got {sorted(param_group)}")
        unknown = param_group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no option {', '.join(sorted(map(str, unknown)))}; "
                f"it has {', '.join(self.defaults)}"
            )
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _in_order(params)
        seen = {id(p) for p in self._params()}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"params[{i}] must be a Tensor, got {type(p).__name__}")
            if not p.requires_grad or p._parents:
                got = "the result of an op" if p._parents else "one with requires_grad=False"
                raise ValueError(f"params[{i}] must be a leaf that requires a gradient, got {got}")
            if id(p) in seen:
                raise ValueError(f"params[{i}], of shape {p.shape}, is given twice")
            seen.add(id(p))
        self.param_groups.append({"params": params, **self._checked(self.defaults | param_group)})

    def _params(self):
        return [p for group in self.param_groups for p in group["params"]]

    def _checked(self, group):
        """The options of a group, each of them checked."""
        found = {name: check(name, group[name]) for name, check in self.options.items()}
        for name, check in PENALTIES.items():
            found[name] = check(name, group[name])
        return found

    # ---- steps ----

    def zero_grad(self):
        """Set every gradient to None."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self):
        """Update every parameter from its `.grad`; one whose gradient is None stays as it is.

        Arrays are taken as they are now: `.data` may have been written or replaced, `.grad` may be
        any array of the parameter's shape. TypeError or ValueError where one does not fit, or an
        option has become wrong; then nothing has changed.
        """
        params, grads, arrays, rules, steps, updated, fresh = [], [], [], [], [], [], []
        state_of = self.state.get
        for i, group in enumerate(self.param_groups):
            options, slots, needed, rule = self._plan(i, group)
            rules += [rule] * len(group["params"])
            for p in group["params"]:
                data, grad = p.data, p.grad
                params.append(data)
                grads.append(grad)
                if grad is None:
                    steps.append(0)
                    arrays.append(())
                    continue
                state = state_of(p)
                if state is None or not needed <= state.keys():
                    state = self._completed(state, needed, data, len(params) - 1, options)
                    fresh.append((p, state))
                steps.append(state["step"] + 1)
                arrays.append(tuple(map(state.get, slots)))
                updated.append(state)
        _kernels.update(params, grads, arrays, rules, steps)
        self.state.update(fresh)
        for state in updated:
            state["step"] += 1

    def _plan(self, i, group):
        """(options, slots, names of the arrays, rule) of the i-th group: those of the last step
        while its options are the same objects."""
        plan = self._plans.get(i)
        if plan is None or not all(map(is_, plan[0].values(), map(group.get, plan[0]))):
            options = self._checked(group)
            slots = self._slots(options)
            needed = {name for name in slots if name is not None}
            plan = self._plans[i] = options, slots, needed, self._rule(options)
        return plan

    def _rule(self, options, **numbers):
        """The kernel's rule for a group; a subclass adds the numbers of its law."""
        return _kernels.UpdateRule(
            self.law,
            lr=options["lr"],
            decay=options["weight_decay"] + 2 * options["l2"],
            l1=options["l1"],
            max_norm=float("inf") if options["max_norm"] is None else options["max_norm"],
            **numbers,
        )

    def _slots(self, options):
        """`slots`, with None for an array that these options do without."""
        return self.slots

    def _completed(self, state, names, data, i, options):
        """The state of the i-th parameter, or a first one, with those of the arrays in `names` that
        it lacks."""
        shape = _kernels.check_writable(data, f"params[{i}].data").shape
        state = {"step": 0} | (state or {})
        for name in [slot for slot in self.slots if slot in names - state.keys()]:
            state[name] = _kernels.empty(shape, data.dtype)
            state[name].fill(self._first(name, options))
        return state

    def _first(self, name, options):
        """What the elements of the array `name` are before the first step."""
        return 0.0

    # ---- state ----

    def state_dict(self):
        """{"state": {index: {"step": int, name: ndarray}}, "param_groups": [dict of options, and
        "params": indices]}, where an index counts the parameters of all groups. The arrays are the
        optimizer's own, which the next step changes."""
        index = {id(p): i for i, p in enumerate(self._params())}
        return {
            "state": {index[id(p)]: dict(state) for p, state in self.state.items()},
            "param_groups": [
                group | {"params": [index[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict):
        """Go on from what `state_dict()` gave: options and state of all groups; arrays are copied.
        ValueError or TypeError where it is of other groups or other shapes; then nothing has
        changed."""
        if not isinstance(state_dict, dict) or not {"state", "param_groups"} <= state_dict.keys():
            raise ValueError("state_dict must be a dict of 'state' and 'param_groups', got "
                             f"{type(state_dict).__name__}")  # fmt: skip
        saved_groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group.get("params", ())) for group in saved_groups]
        if sizes != saved_sizes:
            raise ValueError(f"state_dict must have groups of {sizes} params, got {saved_sizes}")
        groups = [self._loaded_group(i, group) for i, group in enumerate(saved_groups)]
        indices = [i for group in saved_groups for i in group["params"]]
        owner = dict(zip(indices, self._params(), strict=True))
        unknown = [i for i in state_dict["state"] if i not in owner]
        if unknown:
            raise ValueError(f"state_dict has state for {unknown}, which are in none of its groups")
        state = {
            owner[i]: self._loaded_state(i, saved, owner[i])
            for i, saved in state_dict["state"].items()
        }
        self.state = state
        for group, loaded in zip(self.param_groups, groups, strict=True):
            group.update(loaded)

    def _loaded_group(self, i, saved):
        """The options of a saved group; what a schedule has put beside them is kept as it is."""
        missing = self.defaults.keys() - saved.keys()
        if missing:
            raise ValueError(
                f"state_dict['param_groups'][{i}] lacks {', '.join(sorted(missing))}: "
                f"it is not of {type(self).__name__}"
            )
        beside = {name: v for name, v in saved.items() if name not in self.defaults}
        del beside["params"]
        return copy.deepcopy(beside) | self._checked(saved)

    def _loaded_state(self, i, saved, p):
        """A copy of the saved state of a parameter."""
        what = f"state_dict['state'][{i}]"
        if "step" not in saved or saved.keys() - {"step", *self.slots}:
            raise ValueError(f"{what} must be a dict of 'step' and some of {self.slots}, "
                             f"got {sorted(saved)}")  # fmt: skip
        loaded = {"step": integer(f"{what}['step']", saved["step"], 0)}
        for name in [slot for slot in self.slots if slot in saved]:
            array = np.asarray(saved[name])
            if array.shape != p.shape or array.dtype.kind != "f":
                raise ValueError(f"{what}[{name!r}] must be floats of shape {p.shape}, got "
                                 f"{array.dtype} of shape {array.shape}")  # fmt: skip
            loaded[name] = _kernels.empty(p.shape, p.dtype)
            loaded[name][...] = array
        return loaded


def checked_optimizer(optimizer):
    """optimizer, or a TypeError that says what came instead."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def _in_order(params):
    """The items of params, in their order."""
    if isinstance(params, (Tensor, np.ndarray, str, bytes, dict, set, frozenset)):
        why = ", which has no order" if isinstance(params, (set, frozenset)) else ""
        raise TypeError(
            f"params must be an iterable of Tensors or of dicts, got {type(params).__name__}{why}"
        )
    try:
        return list(params)
    except TypeError:
        raise TypeError(f"params must be iterable, got {type(params).__name__}") from None
