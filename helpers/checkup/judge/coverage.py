"""What matters, and whether it was measured: without that no report is ok."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...model.entry_units import MAY_BE_OF_CODES, entry_units, gaussian_processes
from ...model.loss_entries import FROM_SAVED_MODEL, is_of_saved_model
from ..measure.case import Case
from ..measure.encoder_kl import encoder_kls
from ..measure.held_codes import Held, latent_codes
from ..measure.objective import evaluate
from ..measure.other_draws import draws_beside_weights
from ..measure.other_entries import layers_with_unknown_entries
from ..measure.random_layers import unknown_random_layers
from ..measure.seen_outputs import seen_outputs


class Matter(NamedTuple):
    """Something that matters, and why it was not measured: "" if it was."""

    what: str
    reason: str = ""


JOINT = "the network puts out one distribution for all rows together"


def weights_of_kls(case: Case) -> list[Matter]:
    """Return whether the weight of each KL, of weights and of codes, was measured."""
    known = [f.posterior.name for f in case.factors if np.isfinite(f.value)]
    nowhere = [f.posterior for f in case.factors if not np.isfinite(f.value)]
    unknown = [posterior.name for posterior in nowhere if posterior.make is not None]
    unsaid = [posterior.name for posterior in nowhere if posterior.make is None]
    measured = {name for kl in encoder_kls(case) for name in (kl.name, *kl.of)}
    codes = latent_codes(case)
    bare = [code.name for code in codes if code.held is Held.NOT]
    felt = [code for code in codes if code.held is Held.SOMEHOW and code.name not in measured]
    bare += [code.name for code in felt if np.isfinite(code.weight)]
    unmeasured = [code.name for code in felt if not np.isfinite(code.weight)]
    matters = []
    if names := [*known, *(kl.name for kl in encoder_kls(case)), *bare]:
        matters.append(Matter(f"the weight of the KL ({_joined(names)})"))
    if unknown:
        reason = "no variable was found that moves their spread alone"
        matters.append(Matter(f"the weight of the KL ({_joined(unknown)})", reason))
    if unsaid:
        reason = "what it adds to losses is not known to be a KL times a number"
        matters.append(Matter(f"the weight of the KL ({_joined(unsaid)})", reason))
    if unmeasured:
        reason = "something holds them, but no layer of TFP adds it and it is no closed form"
        matters.append(Matter(f"the KL of the codes ({_joined(unmeasured)})", reason))
    if hidden := _processes_inside(case):
        reason = "a variational Gaussian process inside of a network adds it to no loss"
        matters.append(Matter(f"the weight of the KL ({_joined(hidden)})", reason))
    if hand_written := _hand_written(case):
        reason = "what is added to losses depends on the inputs, and is no closed form of TFP's"
        matters.append(Matter(f"the KL of the codes ({_joined(hand_written)})", reason))
    if hidden := unknown_random_layers(case):
        reason = "they draw random numbers, but no posterior was found in them"
        matters.append(Matter(f"the weight of the KL ({_joined(hidden)})", reason))
    is_explained = bool(codes or encoder_kls(case) or hand_written or hidden)
    if not is_explained and (drawn := draws_beside_weights(case)):
        reason = (
            "they draw beside the weights whose posterior was found, as a code, or a scale with a "
            "posterior, does, and what its KL weighs was not measured"
        )
        matters.append(Matter(f"the KL of all that is drawn ({_joined(drawn)})", reason))
    if not matters:
        reason = "no weights and no codes with a posterior were found in this network"
        if any(map(is_of_saved_model, case.network._flatten_layers())):
            reason = FROM_SAVED_MODEL
        matters.append(Matter("the weight of the KL", reason))
    return matters


def _processes_inside(case: Case) -> list[str]:
    """Return the names of the Gaussian processes that are not what the network puts out."""
    at_the_end = any(hasattr(out.outputs, "variational_loss") for out in seen_outputs(case))
    return [] if at_the_end else [layer.name for layer in gaussian_processes(case.network)]


def _hand_written(case: Case) -> list[str]:
    """Return the names of what adds entries that may be KLs of codes, written by hand."""
    if not layers_with_unknown_entries(case):
        return []
    try:
        units = entry_units(case.network, case.batch.inputs)
    except RuntimeError:  # it adds another number of losses at each call
        return []
    return [unit.layer.name for unit in units if unit.problem == MAY_BE_OF_CODES]


def likelihood(case: Case) -> list[Matter]:
    """Return whether it was found out which likelihood the data term is."""
    if case.objective.kind == "losses":
        reason = "the network is not compiled, and no loss= was given"
        return [Matter("the likelihood", reason)]
    if case.data.name:
        return [Matter(f"the likelihood ({case.data.name})")]
    if case.batch.targets is None:
        return [Matter("the likelihood", "no targets were passed")]
    if not case.data.heads:
        return [Matter("the likelihood", "one row of data was passed")]
    reason = "the data term is none of the losses that the check-up knows"
    if any(head.role == "joint" for head in case.data.heads):
        reason = JOINT
    return [Matter("the likelihood", reason)]


def pairing(case: Case) -> list[Matter]:
    """Return whether it was seen that each target counts for its own row alone."""
    what = "that each target belongs to its output"
    if not case.data.heads:
        return []  # there is no likelihood either, and that is said
    unknown = [head.head for head in case.data.heads if head.paired is None]
    if not unknown:
        return [Matter(what)]
    which = f" of {_joined(unknown)}" if any(unknown) else ""
    joint = all(head.role == "joint" for head in case.data.heads if head.paired is None)
    reason = JOINT if joint else "the data term changes too little with the targets"
    return [Matter(f"{what}{which}", reason)]


def derivatives(case: Case) -> list[Matter]:
    """Return that a term of the derivatives of the outputs was not measured, if there is one."""
    if not case.evaluations[0].watch.derivatives:
        return []
    by = evaluate(case.objective, case.batch, factor=0.0, sources=lambda watch: [watch.derivatives])
    if not any(slope is not None and np.any(slope) for slope in by.of_sources[0]):
        return []
    reason = (
        "what is minimised holds gradients by the inputs, as an equation or a gradient penalty "
        "does, and whether that is a log-likelihood of data was not measured"
    )
    return [Matter("the term of the derivatives", reason)]


# Each returns what it measured, and what it could not.
MATTERS: tuple[Callable[[Case], list[Matter]], ...] = (
    weights_of_kls,
    likelihood,
    pairing,
    derivatives,
)


def coverage(case: Case) -> list[Matter]:
    """Return all that matters."""
    return [matter for measure in MATTERS for matter in measure(case)]


def _joined(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))
