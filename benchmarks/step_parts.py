"""The parts of one Flipout step, each alone: as TFP and Keras run it, and as the trainer does."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.work import Images, Labels, Run, Work
from helpers.draws.noise import Draw, draw_all
from helpers.draws.replay import replay, trace
from helpers.draws.xla_substitutes import KEPT, SUBSTITUTES
from helpers.training.batches import BatchOrder
from helpers.training.fused_adam import apply_gradients

tfd = tfp.distributions
Part = Callable[[tf.Tensor], list[tf.Tensor]]  # number of the step ↦ results
PORTION = 60  # steps that the trainer takes in a call, about


def run_part(part: Part) -> Run:
    """Return a run that does the part once a step, in a loop in the graph."""

    @tf.function
    def loop(num_steps: tf.Tensor) -> tf.Tensor:
        def body(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            results = part(step)
            some = [tf.cast(tf.reshape(result, [-1])[0], tf.float32) for result in results]
            return step + 1, total + tf.add_n(some)

        start = (tf.constant(0, tf.int64), tf.zeros(()))
        return tf.while_loop(lambda step, _: step < num_steps, body, start, parallel_iterations=1)

    return lambda num_steps: float(loop(tf.constant(num_steps, tf.int64))[1])


def sign_shapes(work: Work) -> list[tuple[int, int]]:
    """Return the shapes of the signs of a step: of the inputs and the outputs of each layer."""
    return [(work.batch_size, size) for shape in work.shapes for size in shape]


def drawn_by_tensorflow(work: Work, what: str) -> Run:
    """Return the noise of the weights, or the signs, by the generators that TFP's layers call."""
    if what == "weights":
        return run_part(lambda _: [tf.random.normal(shape) for shape in work.shapes])
    return run_part(lambda _: [tfp.random.rademacher(shape) for shape in sign_shapes(work)])


def drawn_by_trainer(work: Work, what: str) -> Run:
    """Return the same random numbers, drawn as the trainer draws them."""
    if what == "weights":
        draws = [Draw("normal", shape, tf.float32) for shape in work.shapes]
    else:
        draws = [Draw("integer", shape, tf.int64) for shape in sign_shapes(work)]
    seed = tf.constant(work.seed, tf.int64)
    return run_part(tf.function(lambda step: draw_all(draws, seed, step), jit_compile=True))


def kl_with_gradient(work: Work, *, as_trainer: bool) -> Run:
    """Return the KL of all kernels and its gradient, as TFP's layers compute them."""
    means = [tf.Variable(tf.random.normal(shape, stddev=0.1)) for shape in work.shapes]
    raw = [tf.Variable(tf.fill(shape, -3.0)) for shape in work.shapes]
    # As default_multivariate_normal_fn makes them: means as an array, one scale for all.
    priors = [tfd.Normal(tf.zeros(shape), 1.0) for shape in work.shapes]

    def part() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            scales = [1e-7 + tf.nn.softplus(it) for it in raw]
            posteriors = [tfd.Normal(*pair) for pair in zip(means, scales, strict=True)]
            pairs = zip(posteriors, priors, strict=True)
            kl = tf.add_n([tf.reduce_sum(tfd.kl_divergence(q, p)) for q, p in pairs])
        return [kl, *tape.gradient(kl, means + raw)]

    if not as_trainer:
        return run_part(lambda _: part())
    traced = trace(part)  # alone, it needs KEPT for the vector loop that it has within a step
    compiled = tf.function(lambda: replay(traced, [], [], SUBSTITUTES, KEPT), jit_compile=True)
    return run_part(lambda _: compiled())


def adam_update(work: Work, *, as_trainer: bool) -> Run:
    """Return one update of means and scales by Adam, for gradients that are there already."""
    variables = [tf.Variable(tf.zeros(shape)) for shape in work.shapes for _ in range(2)]
    gradients = [tf.random.normal(variable.shape) for variable in variables]
    optimizer = tf_keras.optimizers.Adam(work.learning_rate)
    optimizer.build(variables)

    def part(_: tf.Tensor) -> list[tf.Tensor]:
        if as_trainer:
            apply_gradients(optimizer, gradients, variables)
        else:
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return [variables[0]]

    return run_part(part)


def input_by_dataset(work: Work, images: Images, labels: Labels) -> Run:
    """Return batches by ``tf.data``: shuffled, batched, prefetched, as ``fit``'s users write it."""
    data = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(10_000).repeat()
    batches: Any = iter(data.batch(work.batch_size).prefetch(tf.data.AUTOTUNE))

    def run(num_steps: int) -> float:
        for _ in range(num_steps):
            batch, _labels = next(batches)
        return float(batch[0, 0])

    return run


def input_by_portions(work: Work, images: Images, labels: Labels) -> Run:
    """Return batches copied for many steps at once, then taken one by one, as the trainer does."""
    rows = BatchOrder(len(images), work.batch_size, num_epochs=1, seed=work.seed).rows(0, PORTION)

    @tf.function
    def take(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        def body(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            label = tf.cast(labels[step][0], tf.float32)
            return step + 1, total + images[step][0, 0] + label

        start, num_steps = (tf.constant(0), tf.zeros(())), tf.shape(labels)[0]
        return tf.while_loop(lambda step, _: step < num_steps, body, start, parallel_iterations=1)

    def run(num_steps: int) -> float:
        total = 0.0
        for done in range(0, num_steps, PORTION):
            some = rows[: num_steps - done]
            total += float(take(tf.constant(images[some]), tf.constant(labels[some]))[1])
        return total

    return run


class Measured(NamedTuple):
    """A part as a contender of the benchmark: its title, and how to set up a run of it."""

    title: str
    prepare: Callable[[Work, Images, Labels], Run]


# Names as in the result file; `python benchmarks/compare.py --contenders parts` takes them all.
PARTS = {
    "adam_keras": Measured(
        "Adam, as Keras updates", lambda work, *_: adam_update(work, as_trainer=False)
    ),
    "adam_trainer": Measured(
        "Adam, as the trainer updates", lambda work, *_: adam_update(work, as_trainer=True)
    ),
    "input_dataset": Measured("input pipeline, tf.data", input_by_dataset),
    "input_trainer": Measured("input pipeline, as the trainer copies", input_by_portions),
    "kl_tfp": Measured(
        "KL and its gradient, as TFP computes it",
        lambda work, *_: kl_with_gradient(work, as_trainer=False),
    ),
    "kl_trainer": Measured(
        "KL and its gradient, as the trainer computes it",
        lambda work, *_: kl_with_gradient(work, as_trainer=True),
    ),
    "signs_tfp": Measured(
        "signs, as TFP draws them", lambda work, *_: drawn_by_tensorflow(work, "signs")
    ),
    "signs_trainer": Measured(
        "signs, as the trainer draws them", lambda work, *_: drawn_by_trainer(work, "signs")
    ),
    "weight_noise_tfp": Measured(
        "weight noise, as TFP draws it", lambda work, *_: drawn_by_tensorflow(work, "weights")
    ),
    "weight_noise_trainer": Measured(
        "weight noise, as the trainer draws it", lambda work, *_: drawn_by_trainer(work, "weights")
    ),
}


def prepare_part(name: str, work: Work, images: Images, labels: Labels) -> Run:
    """Set up a part; a run does it once a step."""
    work.only_dense()
    return PARTS[name].prepare(work, images, labels)
