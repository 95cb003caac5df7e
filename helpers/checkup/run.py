"""The check-up itself: run the network, measure, and put everything back.

Introduced in chapters/07-your-likelihood.md, "`checkup` and `train_by_elbo` on averaged losses".
"""

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from ..model.checks import check_keras_version, check_stateless, check_weights, check_whole
from ..model.finite_draws import finite_draws
from ..model.heads import arrange_targets
from ..model.kept_logits import operations_noted
from ..model.keras_losses import ignores_classes
from ..model.network_call import can_be_called, check_callable, word_on_a_list_of_one
from ..model.outputs import find_likelihood
from ..model.targets import check_targets
from ..model.time_distributed import runs_eagerly, steps_at_once
from ..model.untouched import quiet, untouched, use_seed
from .examine import examine
from .judge.failures import cannot_run, diverged, out_of_scope
from .judge.keras_version import check_keras_3
from .measure.batch import Batch, Data, read_data
from .measure.case import TrainingSetup
from .measure.counters import Counters
from .measure.keras_3 import is_keras_3
from .measure.known_losses import share_of_known
from .measure.objective import Objective, SeveralTargetsError, evaluate
from .measure.traced import is_compiled_function
from .measure.understand import understand
from .report import Report


def checkup(
    network: Any,
    inputs: Any,
    targets: Any = None,
    num_examples: int | None = None,
    loss: Any = None,
    batch_size: int | None = None,
    likelihood: Any = None,
) -> Report:
    """Check how a network with Bayesian layers is trained, and leave it as it was.

    The network, its gradients and its loss are run on a few rows of the data. All variables, the
    optimizer, ``losses`` and the random generators are afterwards what they were. Only a network
    that was not built yet is built, which draws its initial weights as a first call does.

    Parameters
    ----------
    network
        A ``tf_keras`` model or layer, compiled or not, trained or not.
    inputs, targets
        Data [examples, …] as for ``fit``: arrays, frames, words, lists, tuples and dicts of these;
        or, without targets, a ``tf.data.Dataset`` or a Keras ``Sequence``, of which the first batch
        is looked at. A few hundred examples are enough.
    num_examples
        N, the number of *training* examples. Without it, the number of inputs.
    loss
        None for a compiled network (what ``fit`` minimises is checked). A Keras loss, or a
        function of (targets, outputs), is what you would hand to ``compile``, so that ``losses``
        is added to it. Any other function is your whole objective, of (inputs, targets) or
        (network, inputs, targets); a training step that uses a tape will do as well.
    batch_size
        B, the rows of a batch in training, where the right weight of the KL depends on it: beside
        a data term that is a *sum* over the batch, or where you divide the KL by its rows.
    likelihood
        Where your loss is a negative log-likelihood that the check-up does not know: the function
        (targets, outputs) ↦ negative log-likelihood of each example, in nats, or outputs ↦
        distribution, as for ``train_by_elbo``; one for each output if there are several. Whether
        the data term is the mean of it, or the sum, is measured.

    Returns
    -------
    Report
        ``report.ok`` is True if all that matters was measured and nothing is wrong. It prints in a
        terminal and in a notebook, and ``report.table()`` is a table.

    Raises
    ------
    TypeError
        If the network is no Keras model or layer, or TFP's layers are none of ``tf_keras`` here, or
        data are sparse or of no type that a network takes.
    ValueError
        If ``num_examples`` or ``batch_size`` is below 1; if the data have no rows, rows of unequal
        length or different numbers of them; if N of a dataset is not known; if eager execution is
        switched off; if ``likelihood`` does not fit the outputs and targets.
    """
    _check_arguments(network, num_examples, batch_size)
    data = read_data(inputs, targets, num_examples, batch_size)
    if is_keras_3(network):
        return Report(check_keras_3(network))
    try:
        check_stateless(network)
    except ValueError as error:
        return Report([out_of_scope(error)], unchecked=[f"the network: {error}"])
    try:
        _build(network, data.batch)
    except Exception as error:  # noqa: BLE001 (a network that fails is a finding)
        return Report([cannot_run(error, word_on_a_list_of_one(network, data.batch.inputs))])
    try:
        check_weights(network)
    except ValueError as error:
        return Report([diverged(error)], unchecked=[f"the network: {error}"])
    with untouched(network, loss), finite_draws():
        return _examined(
            network,
            data,
            loss,
            num_examples=num_examples,
            batch_size=batch_size,
            likelihood=likelihood,
        )


def _check_arguments(network: Any, num_examples: int | None, batch_size: int | None) -> None:
    if not is_keras_3(network):
        check_keras_version(network)
    for name, value in (("num_examples", num_examples), ("batch_size", batch_size)):
        if value is not None:
            check_whole(name, value, 1)


def _build(network: Any, batch: Batch) -> None:
    """Call the network once if it has no variables yet."""
    if not network.built and can_be_called(network):
        with quiet():
            network(batch.inputs)


def _examined(
    network: Any,
    data: Data,
    loss: Any,
    *,
    num_examples: int | None,
    batch_size: int | None,
    likelihood: Any,
) -> Report:
    """Run the network and its objective, and let all checks read what they do."""
    batch, said = data.batch, None
    tf.config.run_functions_eagerly(True)
    use_seed(0)
    counters = Counters(network, loss)
    try:
        if can_be_called(network):
            outputs = network(batch.inputs)  # so that losses holds numbers, as after an eager call
            if instead := word_on_a_list_of_one(network, batch.inputs, outputs):
                error = ValueError(f"{batch.size} examples give outputs of one row")
                return Report([cannot_run(error, instead)])
        objective = understand(network, batch, loss)
        with _as_trained(network, loss, objective):
            watch = evaluate(objective, batch).watch
        objective = counters.held(objective)
    except SeveralTargetsError as error:
        return Report([out_of_scope(error)], unchecked=[f"the step: {error}"])
    except Exception as error:  # noqa: BLE001 (an objective that fails is a finding)
        of_code = isinstance(error, (AttributeError, NameError, KeyError, IndexError))
        instead = "" if of_code and callable(loss) else _what_to_pass(network, batch, loss)
        return Report([cannot_run(error, instead)])
    if likelihood is not None:
        check_callable(network)
        said = find_likelihood(network, network(batch.inputs), batch.targets, likelihood)
    elif ignores_classes(loss) or ignores_classes(getattr(network, "loss", None)):
        own = loss if ignores_classes(loss) else None
        with contextlib.suppress(TypeError, ValueError):  # it does not fit: the checks say how
            said = find_likelihood(network, network(batch.inputs), batch.targets, own)
    setup = TrainingSetup(
        network=network,
        batch=batch,
        loss=loss,
        objective=objective,
        num_examples=num_examples or data.num_rows,
        assumed=num_examples is None,
        batch_size=batch_size or data.batch_size,
        num_inputs=data.num_rows,
        not_finite=data.not_finite,
        likelihood=said,
        known_share=_known_share(said, data.targets),
        targets=data.targets,
        extremes=data.extremes,
        inputs=data.inputs,
    )
    with _as_trained(network, loss, objective):
        return examine(setup, watch)


@contextlib.contextmanager
def _as_trained(network: Any, loss: Any, objective: Objective) -> Iterator[None]:
    """Let layers and losses do inside the block what they do in a compiled step of ``fit``.

    A loop of the reader's own calls the network as it stands there, compiled or not.
    """
    if objective.kind == "own":
        with operations_noted(when=is_compiled_function(loss)):
            yield
    else:
        with steps_at_once(network), operations_noted(when=not runs_eagerly(network)):
            yield


def _known_share(likelihood: Any, targets: Any) -> float:
    """Return the share of the targets that a likelihood does not ignore."""
    heads = [] if likelihood is None else likelihood.flat
    shares = [
        share_of_known(array, head.ignored)
        for head, array in zip(heads, tf.nest.flatten(targets), strict=False)
        if head.ignored is not None
    ]
    return shares[0] if shares else 1.0


def _what_to_pass(network: Any, batch: Batch, loss: Any) -> str:
    """Return what is wrong with targets beside the outputs, in a sentence of ours; "" if nothing.

    Parameters
    ----------
    network, batch
        What does not run together.
    loss
        What the reader passed: only a loss of Keras tells what targets belong to it.
    """
    given = loss if isinstance(loss, (str, tf_keras.losses.Loss)) else None
    try:
        outputs = network(batch.inputs)
    except Exception:  # noqa: BLE001 (the report says what it raises)
        return word_on_a_list_of_one(network, batch.inputs)
    try:
        likelihood = find_likelihood(network, outputs, batch.targets, given)
        targets = arrange_targets(network, batch.targets, outputs)
        check_targets(likelihood, [np.asarray(part) for part in targets], outputs)
    except (TypeError, ValueError) as error:
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        is_ours = frame.f_globals["__name__"].partition(".")[0] == __name__.partition(".")[0]
        return str(error) if is_ours else ""
    except Exception:  # noqa: BLE001 (it fails as the objective did)
        return ""
    return ""
