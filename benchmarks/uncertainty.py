"""Compare ways to know when a network does not know: ``python -m benchmarks.uncertainty --help``.

The network is 64-32-10 with ReLU on scikit-learn's digits, the prior N(0, 1) throughout: L2 with
the coefficient 1/(2N) is the same prior. Each seed splits the digits anew and trains everything
twice: on all classes, and without two of them (each class is left out by one of five seeds), whose
digits the networks then see. Each method is one function; the chapter "When not to use these
layers" shows the results. One thread suffices: OMP_NUM_THREADS=1 and TF_NUM_INTRAOP_THREADS=1.
"""

import argparse
import functools
import itertools
import json
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.environments import versions
from benchmarks.record import FORMAT, masked, provenance, write_record
from helpers.data.digits import Digits, load_digits_split, rotate_digits
from helpers.losses.posterior_weights import posterior_weights
from helpers.networks.dense import bayesian_network, plain_network
from helpers.networks.posteriors import gaussian_posterior, point_posterior
from helpers.prediction import predict_by_draws
from helpers.prediction.alarms import distance_to_nearest, measure_alarm
from helpers.prediction.calibration import calibration_error_by_chance
from helpers.prediction.laplace import draw_last_layer, laplace_by_evidence
from helpers.prediction.metrics import entropy_parts, predictive_metrics
from helpers.prediction.predict import compile_prediction
from helpers.training import train_by_elbo
from helpers.training.batches import BatchOrder

tfd = tfp.distributions
Array = npt.NDArray[Any]
Predict = Callable[[Array], Array]  # images [examples, 64] ↦ probabilities [draws, examples, C]

HIDDEN = 32
PRECISIONS = 10.0 ** np.arange(-3, 2.01, 0.5)
POINTS = tuple(k / 20 for k in range(1, 21))  # of a training, where its loss is noted
METHODS = {
    "plain": "plain + L2",
    "ensemble": "five plain + L2",
    "dropout": "MC dropout, rate 0.2",
    "dropout_low": "MC dropout, rate 0.1",
    "dropout_high": "MC dropout, rate 0.5",
    "bayesian": "all layers Bayesian",
    "bayesian_biases": "all layers and biases Bayesian",
    "last_layer": "last layer Bayesian",
    "frozen": "last layer Bayesian, frozen body",
    "laplace": "Laplace, last layer",
    "laplace_refit": "Laplace, last layer fitted anew",
    "hmc_last_layer": "HMC, last layer",
    "hmc": "HMC, all layers",
    "distance": "distance to the nearest digit, pixels",
    "distance_features": "distance to the nearest digit, features",
}
CONTROLS = {"dropout_low", "dropout_high", "bayesian_biases", "laplace_refit"}  # all classes only


class Effort(NamedTuple):
    """How long everything is trained, and how many draws are taken."""

    plain_epochs: int = 200
    dropout_epochs: int = 400
    elbo_epochs: int = 667
    frozen_epochs: int = 1334
    width_epochs: int = 667
    members: int = 5
    draws: int = 100
    chains: int = 4
    burn_in: int = 100
    kept: int = 50
    leapfrog: int = 50


class Task(NamedTuple):
    """Digits to train and to test on, and sets of images that are like none of them."""

    train: Digits
    test: Digits
    unusual: dict[str, Array]
    num_classes: int


class Fitted(NamedTuple):
    """A trained method: how it predicts and what it took.

    ``steps`` counts gradients (of a batch; by HMC and Laplace of all digits), ``seconds`` are
    processor seconds, of optimizers without compilation,
    ``stored`` counts the numbers that a prediction needs, ``passes`` those through the whole
    network; ``notes`` holds what is particular to the method.
    """

    predict: Predict
    steps: int
    seconds: float
    stored: int
    passes: int
    notes: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def all_classes(seed: int) -> Task:
    """Return all ten classes; unusual are turned digits and images of noise."""
    train, test = load_digits_split(seed=seed)
    drawn = np.random.default_rng(seed).uniform(size=test.images.shape)
    noise = np.asarray(drawn, np.float32)
    unusual = {f"turned by {angle}°": rotate_digits(test.images, angle) for angle in (90, 180)}
    return Task(train, test, {**unusual, "noise": noise}, 10)


def without_two_classes(seed: int) -> Task:
    """Return eight classes, numbered anew; unusual are the digits of the other two."""
    left_out = [2 * (seed % 5), 2 * (seed % 5) + 1]
    kept = np.setdiff1d(np.arange(10), left_out)
    parts, others = [], []
    for part in load_digits_split(seed=seed):
        seen = np.isin(part.labels, kept)
        labels = np.searchsorted(kept, part.labels[seen]).astype(np.int32)
        parts.append(Digits(part.images[seen], labels))
        others.append(part.images[~seen])
    return Task(parts[0], parts[1], {"unseen classes": np.concatenate(others)}, len(kept))


def cosine_adam(rate: float, steps: int) -> tf_keras.optimizers.Optimizer:
    """Return Adam with a learning rate that falls to 0."""
    return tf_keras.optimizers.Adam(tf_keras.optimizers.schedules.CosineDecay(rate, steps))


def num_steps(num_examples: int, num_epochs: int, batch_size: int = 128) -> int:
    """Return the number of steps of so many epochs."""
    return num_epochs * -(-num_examples // batch_size)


def train_plain(
    network: tf_keras.Model, train: Digits, num_epochs: int, seed: int
) -> tuple[float, list[float]]:
    """Minimise the mean negative log-likelihood plus the penalties; return seconds and losses.

    The steps of an epoch are a loop in the graph, so that no time goes to Python, as in
    ``train_by_elbo``. The losses are means over an epoch, at the points of the training.
    """
    images, labels = (tf.constant(it) for it in train)
    network(images[:1])
    optimizer = cosine_adam(0.01, num_steps(len(images), num_epochs))
    optimizer.build(network.trainable_variables)
    order = BatchOrder(len(images), min(128, len(images)), num_epochs, seed)
    in_epoch = order.num_steps // num_epochs

    @tf.function(reduce_retracing=True)
    def epoch(rows: tf.RaggedTensor) -> tf.Tensor:
        total = tf.zeros(())
        for step in tf.range(rows.nrows()):
            with tf.GradientTape() as tape:
                logits = network(tf.gather(images, rows[step]), training=True)
                of_labels = tfd.Categorical(logits=logits).log_prob(tf.gather(labels, rows[step]))
                loss = -tf.reduce_mean(of_labels)
                loss += tf.add_n([tf.zeros(()), *network.losses])
            variables = network.trainable_variables
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            total += loss
        return total / tf.cast(rows.nrows(), tf.float32)

    losses, seconds = [], 0.0
    for number in range(num_epochs):
        start = time.process_time()
        rows = [order.rows(number * in_epoch + k, most=1)[0] for k in range(in_epoch)]
        ragged = tf.RaggedTensor.from_row_lengths(np.concatenate(rows), [len(it) for it in rows])
        losses.append(float(epoch(ragged)))
        if number:  # the first one compiles
            seconds += time.process_time() - start
    return seconds * num_epochs / max(1, num_epochs - 1), at_points(losses)


def at_points(losses: list[float]) -> list[float]:
    """Return means of the fiftieth of a training before each of its points."""
    width = max(1, len(losses) // 50)
    ends = [max(width, round(point * len(losses))) for point in POINTS]
    return [float(np.mean(losses[end - width : end])) for end in ends]


COMPILED: dict[str, float] = {}  # seconds of a training of one epoch, by the network's name


def train_bayesian(
    make: Callable[[], tf_keras.Model], train: Digits, num_epochs: int, seed: int, name: str
) -> tuple[tf_keras.Model, float, dict[str, Any]]:
    """Train by the ELBO; return the network, seconds without compilation, and notes.

    A training of one epoch says what compilation takes; it is done once for each name.
    """
    seconds = []
    for epochs in [num_epochs] if name in COMPILED else [1, num_epochs]:
        network = make()
        network(train.images[:1])
        start = time.process_time()
        history = train_by_elbo(
            network,
            *train,
            num_epochs=epochs,
            batch_size=min(128, len(train.labels)),
            optimizer=cosine_adam(0.05, num_steps(len(train.labels), epochs)),
            seed=seed,
            jit_compile=False,
            progress=False,
        )
        seconds.append(time.process_time() - start)
    means = history.groupby("epoch")[["negative_log_likelihood", "kl", "loss"]].mean()
    notes = {name: at_points(list(means[name])) for name in means}
    COMPILED.setdefault(name, seconds[0])
    return network, seconds[-1] - COMPILED[name], notes


def l2_penalty(train: Digits) -> tf_keras.regularizers.Regularizer:
    """Return the L2 term that is the prior N(0, 1), beside the mean negative log-likelihood."""
    return tf_keras.regularizers.L2(1 / (2 * len(train.labels)))


def softmax_of(network: tf_keras.Model, images: Array, **options: bool) -> Array:
    """Return probabilities [examples, classes]."""
    probabilities: Array = tf.nn.softmax(network(images, **options)).numpy()
    return probabilities


def stored_numbers(network: tf_keras.Model) -> int:
    """Return how many numbers the network's weights are."""
    return int(sum(np.prod(it.shape) for it in network.weights))


def fit_plain(task: Task, seed: int, effort: Effort, member: int = 0) -> tuple[Any, Fitted]:
    """Return one plain network with L2, and what it took."""
    network = plain_network(
        [HIDDEN, task.num_classes],
        seed=100 * seed + member,
        kernel_regularizer=l2_penalty(task.train),
    )
    seconds, losses = train_plain(network, task.train, effort.plain_epochs, 100 * seed + member)
    steps = num_steps(len(task.train.labels), effort.plain_epochs)
    fitted = Fitted(
        lambda images: softmax_of(network, images)[None],
        steps,
        seconds,
        stored_numbers(network),
        1,
        {"loss": losses, "features": lambda images: network.layers[0](images).numpy()},
    )
    return network, fitted


def ensemble_of(members: list[Fitted]) -> Fitted:
    """Return the ensemble of plain networks."""
    return Fitted(
        lambda images: np.concatenate([it.predict(images) for it in members]),
        sum(it.steps for it in members),
        sum(it.seconds for it in members),
        sum(it.stored for it in members),
        len(members),
    )


def dropout_network(task: Task, rate: float, seed: int) -> tf_keras.Sequential:
    """Return a plain network with L2 and dropout on its hidden units."""
    first, last = plain_network(
        [HIDDEN, task.num_classes], seed=seed, kernel_regularizer=l2_penalty(task.train)
    ).layers
    return tf_keras.Sequential([first, tf_keras.layers.Dropout(rate, seed=seed), last])


def fit_dropout(task: Task, seed: int, effort: Effort, rate: float) -> Fitted:
    """Return MC dropout: trained with dropout, and predicting with it."""
    network = dropout_network(task, rate, seed)
    seconds, losses = train_plain(network, task.train, effort.dropout_epochs, seed)

    def predict(images: Array) -> Array:
        calls = range(effort.draws)
        return np.stack([softmax_of(network, images, training=True) for _ in calls])

    steps = num_steps(len(task.train.labels), effort.dropout_epochs)
    stored = stored_numbers(network.layers[0]) + stored_numbers(network.layers[-1])
    return Fitted(predict, steps, seconds, stored, effort.draws, {"loss": losses})


def bayesian_biases(seed: int) -> dict[str, Any]:
    """Return the options of layers whose biases have a posterior and the prior N(0, 1), too."""
    return {
        "bias_posterior_fn": gaussian_posterior(seed=1000 * seed + 77),
        "bias_prior_fn": tfp.layers.default_multivariate_normal_fn,
    }


def fit_bayesian(
    task: Task, seed: int, effort: Effort, make: Callable[[], tf_keras.Model], name: str
) -> Fitted:
    """Return a network with Bayesian layers, trained by the ELBO."""
    network, seconds, notes = train_bayesian(make, task.train, effort.elbo_epochs, seed, name)
    predict = compile_prediction(network, task.test.images, effort.draws)
    if [hasattr(layer, "kernel_posterior") for layer in network.layers] == [True, True]:
        notes["units_in_use"] = units_of_means(network, task.train.images)
    return Fitted(
        lambda images: np.asarray(predict(images, seed)),
        num_steps(len(task.train.labels), effort.elbo_epochs),
        seconds,
        stored_numbers(network),
        effort.draws,
        notes,
    )


def bayesian_last_layer(num_classes: int, seed: int) -> tf_keras.layers.Layer:
    """Return a Flipout layer that puts out logits."""
    return tfp.layers.DenseFlipout(
        num_classes,
        kernel_posterior_fn=gaussian_posterior(seed=1000 * seed + 1),
        bias_posterior_fn=point_posterior(),
        name="logits",
    )


def last_layer_network(task: Task, seed: int) -> tf_keras.Sequential:
    """Return a plain hidden layer with L2 below a Bayesian last layer, to be trained together."""
    hidden = plain_network([HIDDEN, 2], seed=seed, kernel_regularizer=l2_penalty(task.train))
    return tf_keras.Sequential([hidden.layers[0], bayesian_last_layer(task.num_classes, seed)])


def on_features(features: Callable[[Array], Array], fitted: Fitted, body: Fitted) -> Fitted:
    """Return a method that was fitted on features of a body, as one of the whole network."""
    return fitted._replace(
        predict=lambda images: fitted.predict(features(images)),
        steps=fitted.steps + body.steps,
        seconds=fitted.seconds + body.seconds,
        stored=fitted.stored + (64 + 1) * HIDDEN,
        passes=1,
    )


def fit_laplace(task: Task, seed: int, effort: Effort, trained: Array | None) -> Fitted:
    """Return Laplace's approximation of a layer on features, at the precision of most evidence.

    Its mean is the trained layer, or, if there is none, the maximum for each precision.
    """
    start = time.process_time()
    posterior = laplace_by_evidence(*task.train, PRECISIONS, task.num_classes, trained)
    size = posterior.mean.size
    return Fitted(
        lambda features: draw_last_layer(posterior, features, effort.draws, seed=seed),
        0,
        time.process_time() - start,
        size + size * (size + 1) // 2,
        0,
        {"precision": posterior.precision, "log_evidence": posterior.log_evidence},
    )


def network_logits(weights: tf.Tensor, images: tf.Tensor, widths: list[int]) -> tf.Tensor:
    """Return logits [chains, examples, classes] of a ReLU network, given all weights [chains, …].

    ``widths`` are the inputs, the units of each layer and the classes; with two entries there is no
    hidden layer. The weights of a layer stand row after row, then its biases.
    """
    sizes = [(inputs + 1) * units for inputs, units in itertools.pairwise(widths)]
    layers = tf.split(weights, sizes, axis=-1)
    outputs = images[None]
    for number, layer in enumerate(layers):
        inputs, units = widths[number : number + 2]
        kernel = tf.reshape(layer[:, : inputs * units], [-1, inputs, units])
        outputs = tf.matmul(outputs, kernel) + layer[:, None, inputs * units :]
        if number < len(layers) - 1:
            outputs = tf.nn.relu(outputs)
    return outputs


def fit_hmc(task: Task, seed: int, effort: Effort, widths: list[int], start: float) -> Fitted:
    """Return draws by HMC of all weights and biases under the prior N(0, 1).

    ``start`` is the standard deviation of the weights at which the chains start.
    """
    images, labels = (tf.constant(it) for it in task.train)
    size = sum((i + 1) * o for i, o in itertools.pairwise(widths))

    def log_joint(weights: tf.Tensor) -> tf.Tensor:
        log_prior = tf.reduce_sum(tfd.Normal(0.0, 1.0).log_prob(weights), -1)
        categorical = tfd.Categorical(logits=network_logits(weights, images, widths))
        return log_prior + tf.reduce_sum(categorical.log_prob(labels), -1)

    kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
        tfp.mcmc.HamiltonianMonteCarlo(
            log_joint, step_size=0.01, num_leapfrog_steps=effort.leapfrog
        ),
        num_adaptation_steps=int(0.8 * effort.burn_in),
        target_accept_prob=0.75,
    )

    @tf.function
    def sample(state: tf.Tensor, key: tf.Tensor) -> Any:
        return tfp.mcmc.sample_chain(
            effort.kept,
            state,
            kernel=kernel,
            num_burnin_steps=effort.burn_in,
            num_steps_between_results=1,
            trace_fn=lambda _, results: results.inner_results.log_accept_ratio,
            seed=key,
        )

    begin = time.process_time()
    state = start * tf.random.stateless_normal([effort.chains, size], seed=[seed, 0])
    weights, log_accept_ratio = sample(state, tf.constant([seed, 1]))
    seconds = time.process_time() - begin

    def by_chain(images: Array) -> Array:
        parts = [tf.nn.softmax(network_logits(it, tf.constant(images), widths)) for it in weights]
        return np.stack([part.numpy() for part in parts])  # [draws, chains, examples, classes]

    def predict(images: Array) -> Array:
        found = by_chain(images)
        return found.reshape(-1, *found.shape[2:])

    tested = by_chain(task.test.images)
    r_hat = tfp.mcmc.potential_scale_reduction(tf.constant(tested)).numpy()
    of_labels = tested[:, :, np.arange(len(task.test.labels)), task.test.labels]
    density = np.log(of_labels + 1e-30).mean(axis=-1)
    worth = tfp.mcmc.effective_sample_size(tf.constant(density), cross_chain_dims=1)
    notes = {
        "acceptance": float(np.exp(np.minimum(log_accept_ratio, 0)).mean()),
        "r_hat": float(np.nanquantile(r_hat, 0.99)),
        "effective_draws": float(worth),
        "weights": weights.numpy().reshape(-1, size),
    }
    gradients = (effort.burn_in + 2 * effort.kept) * effort.leapfrog * effort.chains
    draws = effort.kept * effort.chains
    return Fitted(predict, gradients, seconds, draws * size, draws, notes)


def makers(task: Task, seed: int, effort: Effort) -> dict[str, Callable[[], Fitted]]:
    """Return a function for each trained method; plain networks are trained once for all."""
    widths = [HIDDEN, task.num_classes]
    member = functools.cache(lambda number: fit_plain(task, seed, effort, number))

    def layers(name: str, make: Callable[[], tf_keras.Model]) -> Callable[[], Fitted]:
        return lambda: fit_bayesian(task, seed, effort, make, name)

    def on_body(fit: Callable[[Task, Array], Fitted]) -> Callable[[], Fitted]:
        """Return a function that fits a last layer on features, given the trained one."""

        def make() -> Fitted:
            network, body = member(0)
            features, last = body.notes["features"], network.layers[-1]
            train, test = (Digits(features(it.images), it.labels) for it in (task.train, task.test))
            trained = np.vstack([last.kernel.numpy(), last.bias.numpy()])
            fitted = fit(task._replace(train=train, test=test), trained)
            return on_features(features, fitted, body)

        return make

    def one_layer() -> tf_keras.Model:
        return tf_keras.Sequential([bayesian_last_layer(task.num_classes, seed)])

    longer = effort._replace(
        elbo_epochs=effort.frozen_epochs, burn_in=2 * effort.burn_in, kept=2 * effort.kept
    )
    return {
        "plain": lambda: member(0)[1],
        "ensemble": lambda: ensemble_of([member(k)[1] for k in range(effort.members)]),
        "dropout": lambda: fit_dropout(task, seed, effort, 0.2),
        "dropout_low": lambda: fit_dropout(task, seed, effort, 0.1),
        "dropout_high": lambda: fit_dropout(task, seed, effort, 0.5),
        "bayesian": layers("bayesian", lambda: bayesian_network(widths, seed=seed)),
        "bayesian_biases": layers(
            "bayesian_biases", lambda: bayesian_network(widths, seed=seed, **bayesian_biases(seed))
        ),
        "last_layer": layers("last_layer", lambda: last_layer_network(task, seed)),
        "frozen": on_body(lambda above, _: fit_bayesian(above, seed, longer, one_layer, "frozen")),
        "laplace": on_body(lambda above, trained: fit_laplace(above, seed, effort, trained)),
        "laplace_refit": on_body(lambda above, _: fit_laplace(above, seed, effort, None)),
        "hmc_last_layer": on_body(
            lambda above, _: fit_hmc(above, seed, longer, [HIDDEN, task.num_classes], 0.1)
        ),
        "hmc": lambda: fit_hmc(task, seed, effort, [64, *widths], 0.3),
    }


def measures(fitted: Fitted, task: Task, seed: int) -> dict[str, Any]:
    """Return quality on the test digits, alarms on unusual images, and costs."""
    draws = fitted.predict(task.test.images)
    found: dict[str, Any] = dict(predictive_metrics(draws.mean(axis=0), task.test.labels))
    chance = calibration_error_by_chance(draws.mean(axis=0), seed=seed)
    found["calibration_error_by_chance"] = float(chance.mean())
    found["share_of_chance_above"] = float((chance >= found["expected_calibration_error"]).mean())
    found["confidence"] = float(draws.mean(axis=0).max(axis=1).mean())
    usual = entropy_parts(draws)
    for name, images in task.unusual.items():
        unusual = entropy_parts(fitted.predict(images))
        for signal in ("total", "mutual_information"):
            if signal == "total" or len(draws) > 1:  # one network does not disagree
                alarm = measure_alarm(usual[signal], unusual[signal])
                found |= {f"{name}, {signal}, {key}": it for key, it in alarm._asdict().items()}
    costs = {key: getattr(fitted, key) for key in ("steps", "seconds", "stored", "passes")}
    return {**found, **costs}


def distance_measures(task: Task, features: Callable[[Array], Array]) -> dict[str, Any]:
    """Return alarms by the distance to the nearest training digit, in pixels or features."""
    known = features(task.train.images)
    usual = distance_to_nearest(features(task.test.images), known)
    found: dict[str, Any] = {}
    for name, images in task.unusual.items():
        alarm = measure_alarm(usual, distance_to_nearest(features(images), known))
        found |= {f"{name}, distance, {key}": it for key, it in alarm._asdict().items()}
    return {**found, "stored": int(known.size)}


def units_in_use(outgoing: Array, activations: Array) -> int:
    """Return how many hidden units move a logit by 1 % or more of what the strongest unit does.

    ``outgoing`` [units, classes] are mean weights, ``activations`` [examples, units].
    """
    strength = activations.std(axis=0) * np.linalg.norm(outgoing, axis=1)
    return int((strength >= 0.01 * strength.max()).sum())


def units_of_means(network: tf_keras.Model, images: Array) -> int:
    """Return how many hidden units a Bayesian network of two layers uses, by its mean weights."""
    first, last = network.layers
    means = first.kernel_posterior.mean().numpy(), first.bias_posterior.mean().numpy()
    activations = np.maximum(images @ means[0] + means[1], 0)
    return units_in_use(last.kernel_posterior.mean().numpy(), activations)


def count_units(seed: int, width: int, effort: Effort) -> dict[str, Any]:
    """Return how many hidden units a Bayesian and a plain network of this width use."""
    task = all_classes(seed)
    network, _, notes = train_bayesian(
        lambda: bayesian_network([width, 10], seed=seed),
        task.train,
        effort.width_epochs,
        seed,
        "bayesian",
    )
    after = posterior_weights(network)
    last = after[after["layer"] == "logits"]
    nats = last["nats"].to_numpy().reshape(width, 10).sum(axis=1)
    plain = plain_network([width, 10], seed=seed, kernel_regularizer=l2_penalty(task.train))
    train_plain(plain, task.train, effort.plain_epochs, seed)
    found = predict_by_draws(network, task.test.images, effort.draws, seed=seed)
    return {
        "seed": seed,
        "width": width,
        "nats above 1": int((nats > 1).sum()),
        "bayesian": units_of_means(network, task.train.images),
        "plain": units_in_use(
            plain.layers[1].kernel.numpy(), plain.layers[0](task.train.images).numpy()
        ),
        **predictive_metrics(np.asarray(found).mean(axis=0), task.test.labels),
        **notes,
    }


def units_in_draws(weights: Array, images: Array, num_classes: int) -> float:
    """Return how many hidden units a draw of HMC uses, on average over the draws."""
    counts = []
    for draw in weights[:: max(1, len(weights) // 50)]:
        first, last = np.split(draw, [65 * HIDDEN])
        kernel, bias = first[: 64 * HIDDEN].reshape(64, HIDDEN), first[64 * HIDDEN :]
        outgoing = last[: HIDDEN * num_classes].reshape(HIDDEN, num_classes)
        counts.append(units_in_use(outgoing, np.maximum(images @ kernel + bias, 0)))
    return float(np.mean(counts))


def measure_seed(seed: int, effort: Effort, wanted: set[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each of the methods, on both tasks."""
    for task, name in ((all_classes(seed), "all"), (without_two_classes(seed), "without two")):
        where = {"seed": seed, "task": name}
        chosen = wanted if name == "all" else wanted - CONTROLS
        made = makers(task, seed, effort)
        if "distance" in chosen:
            found = distance_measures(task, lambda images: images)
            yield {**where, "method": "distance", **found}
        if "distance_features" in chosen:
            found = distance_measures(task, made["plain"]().notes["features"])
            yield {**where, "method": "distance_features", **found}
        for method in (it for it in made if it in chosen):
            fitted = made[method]()
            notes = dict(fitted.notes)
            weights, _ = notes.pop("weights", None), notes.pop("features", None)
            if method == "hmc":
                images = task.train.images
                notes["units_in_use"] = units_in_draws(weights, images, task.num_classes)
            yield {**where, "method": method, **measures(fitted, task, seed), "notes": notes}


def parse_options(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many: 0, 1, 2, ...")
    parser.add_argument("--widths", nargs="*", type=int, default=[16, 64, 128])
    parser.add_argument(
        "--only", nargs="+", choices=METHODS, help="measure these anew, in a file that is complete"
    )
    parser.add_argument("--out", type=pathlib.Path, required=True, help="result file")
    return parser.parse_args(arguments)


def new_record(options: argparse.Namespace, arguments: list[str], effort: Effort) -> dict[str, Any]:
    """Return a record without measurements."""
    return {
        "format": FORMAT,
        "command": command(arguments),
        **provenance(),
        "data": "scikit-learn's digits",
        "seeds": list(range(options.seeds)),
        "effort": effort._asdict(),
        "points": list(POINTS),
        "environments": {"book": versions(sys.executable)},
        "methods": METHODS,
        "complete": False,
        "measurements": [],
        "widths": [],
        "amended": [],
    }


def command(arguments: list[str]) -> str:
    """Return the command, without folders of this machine."""
    return masked(" ".join(["python -m benchmarks.uncertainty", *arguments]))


def without(record: dict[str, Any], names: list[str], arguments: list[str]) -> dict[str, Any]:
    """Return a complete record without some methods and unknown ones, to measure them anew."""
    kept = [it for it in record["measurements"] if it["method"] in set(METHODS) - set(names)]
    amended = [*record.get("amended", []), {"command": command(arguments), **provenance()}]
    return {**record, "methods": METHODS, "measurements": kept, "amended": amended}


def main(arguments: list[str], effort: Effort | None = None) -> None:
    """Measure all and write the results after each seed."""
    options, effort = parse_options(arguments), effort or Effort()
    if options.only:
        record = without(json.loads(options.out.read_text("utf-8")), options.only, arguments)
    else:
        record = new_record(options, arguments, effort)
    for seed in record["seeds"]:
        tf_keras.utils.set_random_seed(seed)
        for row in measure_seed(seed, effort, set(options.only or METHODS)):
            record["measurements"].append(row)
            density = row.get("log_predictive_density", float("nan"))
            tell(f"seed {seed}, {row['task']}: {row['method']} {density:.4f}")
        if not options.only:
            write_record(options.out, record)
    if not options.only:
        for seed, width in itertools.product(record["seeds"], options.widths):
            record["widths"].append(count_units(seed, width, effort))
            tell(f"seed {seed}: width {width}, {record['widths'][-1]['bayesian']} units in use")
    record["complete"] = True
    write_record(options.out, record)
    table = pd.DataFrame(record["measurements"]).groupby(["task", "method"], sort=False)
    columns = ["accuracy", "log_predictive_density", "expected_calibration_error"]
    tell(table[columns].mean().round(4).to_string())


def tell(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
