"""The networks of the TFP contenders, and several draws per step under ``compile`` and ``fit``."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from benchmarks.work import NUM_CLASSES, Images, NotOfferedError, Work

CONVOLUTIONS = {
    tf_keras.layers.Dense: tf_keras.layers.Conv2D,
    tfp.layers.DenseFlipout: tfp.layers.Convolution2DFlipout,
    tfp.layers.DenseReparameterization: tfp.layers.Convolution2DReparameterization,
}


def network(work: Work, layer_class: type, **options: Any) -> tf_keras.Sequential:
    """Return the network of the work, of layers of one class; ``options`` go to each layer.

    "lenet5" is the one of TFP's example ``bayesian_neural_network.py``, with logits in place of its
    softmax.
    """
    layers = [tf_keras.Input(work.input_shape)]
    if work.network == "dense":
        hidden = work.layer_widths[:-1]
        layers += [layer_class(units, activation="relu", **options) for units in hidden]
    else:
        layers += lenet5_features(layer_class, **options)
    return tf_keras.Sequential([*layers, layer_class(NUM_CLASSES, **options)])


def lenet5_features(layer_class: type, **options: Any) -> list[Any]:
    """Return the layers of LeNet-5 but its last: three convolutions and a dense layer."""
    if layer_class not in CONVOLUTIONS:
        raise NotOfferedError(f"TFP has no convolution to go with {layer_class.__name__}")
    options = {"activation": "relu", **options}

    def convolution(filters: int) -> Any:
        return CONVOLUTIONS[layer_class](filters, kernel_size=5, padding="SAME", **options)

    def pooling() -> Any:
        return tf_keras.layers.MaxPooling2D(pool_size=[2, 2], strides=[2, 2], padding="SAME")

    convolutions = [convolution(6), pooling(), convolution(16), pooling(), convolution(120)]
    return [*convolutions, tf_keras.layers.Flatten(), layer_class(84, **options)]


def flipout_network(work: Work, num_examples: int) -> tf_keras.Sequential:
    """Return the network with Flipout layers whose divergence is divided by N, as TFP's example."""

    def divergence(q: Any, p: Any, _: Any) -> tf.Tensor:
        return tfp.distributions.kl_divergence(q, p) / num_examples

    return network(work, tfp.layers.DenseFlipout, kernel_divergence_fn=divergence)


class SeveralDraws(tf_keras.Model):
    """Average the loss over several calls of a network, by a ``train_step`` of one's own.

    Source: the guide "Customizing what happens in ``fit()``" of Keras.
    """

    def __init__(self, neural_net: tf_keras.Model, num_draws: int) -> None:
        super().__init__()
        self.neural_net, self.num_draws = neural_net, num_draws

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Return the logits of one draw."""
        return self.neural_net(images)

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Take one step; ``losses`` is read once, after the last call, which replaced it."""
        images, labels = data
        with tf.GradientTape() as tape:
            calls = [self.neural_net(images, training=True) for _ in range(self.num_draws)]
            nll = sum(self.loss(labels, logits) for logits in calls) / self.num_draws
            loss = nll + sum(self.neural_net.losses)
        self.optimizer.minimize(loss, self.neural_net.trainable_variables, tape=tape)
        return {"loss": loss}


def compiled(neural_net: tf_keras.Model, work: Work, **options: Any) -> tf_keras.Model:
    """Compile the network; with several draws a step, wrapped in :class:`SeveralDraws`."""
    if work.num_draws > 1:
        neural_net, options = SeveralDraws(neural_net, work.num_draws), {}
    neural_net.compile(
        optimizer=tf_keras.optimizers.Adam(work.learning_rate),
        loss=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return neural_net


def shaped(images: Images, work: Work) -> Images:
    """Return the images as the network takes them, without a copy."""
    return images.reshape(-1, *work.input_shape)


def fit_steps(
    neural_net: tf_keras.Model, images: Images, labels: Any, work: Work, num_steps: int
) -> float:
    """Take exactly so many steps by ``fit`` on the arrays themselves; return the last loss."""
    in_epoch = len(images) // work.batch_size
    epochs, rest = divmod(num_steps, in_epoch)
    history = None
    for steps, times in ((in_epoch, epochs), (rest, 1)):
        if steps and times:
            shown = steps * work.batch_size
            history = neural_net.fit(
                images[:shown], labels[:shown], batch_size=work.batch_size, epochs=times, verbose=0
            )
    return float(history.history["loss"][-1]) if history else float("nan")
