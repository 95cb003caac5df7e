"""Several outputs of one network: their names, and what belongs to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .likelihood import flatten_heads, has_heads

WITHOUT_LOSS = (
    "An output that has no loss is left out with network = tf_keras.Model(network.inputs, [...]) "
    "of the other outputs, which keeps the layers; a network with a call of its own returns the "
    "other outputs there."
)


def arrange_targets(network: Any, targets: Any, outputs: Any) -> list[Any]:
    """Return the targets of all heads, in the order of ``flatten_heads(outputs)``.

    Raises
    ------
    ValueError
        If there are more or fewer targets than outputs, or other names.
    """
    if not has_heads(outputs):
        return [only_target(targets)]
    return in_order(targets, head_names(network, outputs))


def only_target(targets: Any) -> Any:
    """Return the targets of a network with one output, which may stand in a dict by its name.

    Raises
    ------
    ValueError
        If there are several.
    """
    leaves = flatten_heads(targets)
    if len(leaves) != 1:
        raise ValueError(
            f"There are {len(leaves)} targets, but the network has one output: pass one array."
        )
    return leaves[0]


def in_order(targets: Any, names: list[str]) -> list[Any]:
    """Return the targets of the outputs of these names, from a dict by name or from a list.

    Raises
    ------
    ValueError
        If there are more or fewer targets than outputs, or other names.
    """
    if isinstance(targets, dict):
        if set(targets) != set(names):
            raise ValueError(
                f"targets are called {sorted(targets)}, but the outputs {names}: use their names. "
                f"{WITHOUT_LOSS}"
            )
        return [targets[name] for name in names]
    leaves = flatten_heads(targets)
    if len(leaves) != len(names):
        raise ValueError(
            f"There are {len(leaves)} targets, but the network has {len(names)} outputs: pass one "
            f"for each, in a list or a dict. {WITHOUT_LOSS} Outputs that are parameters of one "
            "distribution go into one: tfp.layers.DistributionLambda(lambda t: tfd.Normal(t[0], "
            "t[1])) on their list."
        )
    return leaves


def head_names(network: Any, outputs: Any) -> list[str]:
    """Return the names of all heads, in the order of ``flatten_heads(outputs)``."""
    if isinstance(outputs, dict):
        return sorted(outputs)
    names = getattr(network, "output_names", None)
    number = len(flatten_heads(outputs))
    if names is not None and len(names) == number:
        return list(names)
    return [f"output {index + 1}" for index in range(number)]


def places_with_loss(network: Any, names: list[str]) -> list[int]:
    """Return the places of the outputs that the compiled loss compares with targets.

    Keras leaves an output alone that ``compile(loss={...})`` does not name, or that has ``None``.
    """
    loss = getattr(network, "loss", None)
    parts: list[Any] = [loss] * len(names)
    if isinstance(loss, dict):
        parts = [loss.get(name) for name in names]
    elif isinstance(loss, (list, tuple)) and len(loss) == len(names):
        parts = list(loss)
    kept = [place for place, part in enumerate(parts) if part is not None]
    return kept or list(range(len(names)))


def targets_at(targets: Any, names: list[str], places: list[int]) -> list[Any]:
    """Return the targets of the outputs at some places: by name, or by place as Keras pairs them.

    Raises
    ------
    ValueError
        If one of them has none, or there are targets of other names.
    """
    if len(places) == len(names):
        return in_order(targets, names)
    if isinstance(targets, dict):
        if not set(targets) <= set(names):
            raise ValueError(f"targets are called {sorted(targets)}, but the outputs {names}.")
        known = targets
    else:
        known = dict(zip(names, flatten_heads(targets), strict=False))
    missing = [names[place] for place in places if names[place] not in known]
    if missing:
        raise ValueError(f"There are no targets for the outputs {missing}.")
    return [known[names[place]] for place in places]


def for_each_head(said: Any, names: list[str], what: str) -> list[Any]:
    """Return one item for each head, from a dict by name, a list, or one item for all."""
    if isinstance(said, dict):
        missing = [name for name in names if name not in said]
        if missing:
            raise ValueError(
                f"{what} names no {missing[0]!r}: give one for each of {names}. {WITHOUT_LOSS}"
            )
        return [said[name] for name in names]
    if isinstance(said, (list, tuple)):
        if len(said) != len(names):
            raise ValueError(
                f"{what} has {len(said)} items for {len(names)} outputs: give one for each."
            )
        return list(said)
    return [said] * len(names)


def weights_of_heads(weights: Any, names: list[str]) -> list[Any]:
    """Return the sample weights of each head, those of all heads for each of them.

    Parameters
    ----------
    weights
        An array, or a dict or list of arrays, one for each output, as ``fit`` takes them.
    names
        Of the outputs.

    Raises
    ------
    ValueError
        If there are more or fewer than outputs, or other names.
    """
    if not isinstance(weights, (dict, list, tuple)):
        return [weights] * len(names)
    try:
        return in_order(weights, names)
    except ValueError:
        given = sorted(weights) if isinstance(weights, dict) else len(weights)
        raise ValueError(
            f"sample_weight is given for {given}, but the outputs are {names}: pass one array for "
            "all outputs, or one for each, by its name."
        ) from None


def like_heads(outputs: Any, leaves: Iterator[Any]) -> Any:
    """Return the leaves in the structure of the outputs, in the order of ``flatten_heads``."""
    if isinstance(outputs, dict):
        return {name: like_heads(outputs[name], leaves) for name in sorted(outputs)}
    if isinstance(outputs, (list, tuple)):
        return [like_heads(part, leaves) for part in outputs]
    return next(leaves)
