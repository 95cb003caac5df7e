"""The weight of the KL in a training step, measured by what the step does to the means.

Introduced in chapters/14-life-of-losses.md, "Measure the weight of the KL: blank images".
"""

from collections.abc import Callable

import numpy as np
import tf_keras


def measured_kl_weight(
    layer: tf_keras.layers.Layer,
    train: Callable[[], object],
    *,
    learning_rate: float,
    num_steps: int = 1,
) -> float:
    """Run ``train`` and return the weight λ that the layer's KL had in the loss.

    Where the data say nothing about a kernel, a step of gradient descent moves its means by the KL
    alone. For the prior N(0, 1) the gradient in μ is λμ, so each step shrinks the means by the
    factor 1 − λ · learning rate. A blank image (all zeros) says nothing about the first layer, and
    nothing about later ones as long as biases are 0 and activations map 0 to 0.

    Parameters
    ----------
    layer
        A built TFP layer with a Gaussian ``kernel_posterior`` [inputs, units] and the prior
        N(0, 1).
    train
        Takes ``num_steps`` steps of ``tf_keras.optimizers.SGD(learning_rate)`` on blank images.
        The variables that it moves stay moved: measure on a network that you can spare.
    learning_rate
        Of the plain gradient descent, so small that λ · learning rate < 1.
    num_steps
        How many steps ``train`` takes.

    Returns
    -------
    float
        λ, the factor on the KL beside the data term of the loss; 0 if the KL moves nothing.

    Raises
    ------
    ValueError
        If the layer is not built, or its means turned round or grew, so that no weight explains
        the steps.
    """
    if not layer.built:
        raise ValueError("The layer is not built: call the network once on a batch first.")
    before = layer.kernel_posterior.mean().numpy().astype(np.float64)
    train()
    after = layer.kernel_posterior.mean().numpy()
    ratio = float(np.vdot(before, after) / np.vdot(before, before))
    if not 0 < ratio < 1 + 1e-6:
        raise ValueError(
            f"The means are {ratio:.3g} times what they were, which is no shrinking: use a smaller "
            "learning rate, plain SGD, and blank images."
        )
    return (1 - min(ratio, 1.0) ** (1 / num_steps)) / learning_rate
