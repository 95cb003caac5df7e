"""What readers' published code does that no test had: each was silently wrong, or a false alarm."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from sampling import EIGHTH

from helpers.checkup import checkup
from helpers.losses import losses_by_layer
from helpers.prediction import predict_by_draws

pytestmark = EIGHTH

tfd, tfpl, L = tfp.distributions, tfp.layers, tf_keras.layers
N, FEATURES, CLASSES, WIDTH = 83, 5, 3, 2
RNG = np.random.default_rng(17)
INPUTS = RNG.normal(size=(N, FEATURES)).astype("float32")
LABELS, VALUES = RNG.integers(0, CLASSES, N), RNG.normal(size=(N, WIDTH)).astype("float32")
entropy = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def minus_log_prob(y, rv):
    return -rv.log_prob(y)


RETURNED = {
    "the likelihood": lambda nll, kl, loss: nll,
    "likelihood and KL": lambda nll, kl, loss: (nll, kl),
    "a dict": lambda nll, kl, loss: {"nll": nll, "kl": kl},
    "the loss": lambda nll, kl, loss: loss,
    "nothing": lambda nll, kl, loss: None,
}


@pytest.mark.parametrize("name", RETURNED)
@pytest.mark.parametrize("by", [N, 1])
def test_a_compiled_step_may_return_what_it_likes(name, by):
    net = tf_keras.Sequential([tfpl.DenseFlipout(CLASSES, input_shape=(FEATURES,))])
    optimizer = tf_keras.optimizers.Adam(0.002)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            nll = entropy(y, net(x, training=True))
            kl = sum(net.losses)
            loss = nll + kl / by
        slopes = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(slopes, net.trainable_variables, strict=True))
        return RETURNED[name](nll, kl, loss)

    for _ in range(2):
        step(INPUTS[:32], LABELS[:32])
    report = checkup(net, INPUTS, LABELS, num_examples=N, loss=step)
    assert {alarm.kind for alarm in report.alarms} == (set() if by == N else {"kl-not-scaled"})


def autoencoder(loss):
    prior = tfd.MultivariateNormalDiag(tf.zeros(2))
    inputs = tf_keras.Input((FEATURES,))
    code = tfpl.MultivariateNormalTriL(2)(
        L.Dense(tfpl.MultivariateNormalTriL.params_size(2))(inputs)
    )
    held = tfpl.KLDivergenceAddLoss(prior)(code)
    size = tfpl.IndependentNormal.params_size(FEATURES)
    outputs = L.Dense(FEATURES)(held) if loss == "mse" else L.Dense(size)(held)
    if loss != "mse":
        outputs = tfpl.IndependentNormal(FEATURES)(outputs)
    net = tf_keras.Model(inputs, outputs)
    net.compile("adam", loss)
    return net


def test_the_mean_squared_error_of_an_autoencoder_is_no_likelihood():
    report = checkup(autoencoder("mse"), INPUTS, INPUTS, num_examples=N)
    assert [alarm.kind for alarm in report.alarms] == ["no-likelihood"], str(report)
    cured = checkup(autoencoder(minus_log_prob), INPUTS, INPUTS, num_examples=N)
    assert cured.ok, str(cured)


@pytest.mark.parametrize("way", ["regularizer", "added"])
def test_the_kl_of_predictions_is_no_kl_of_a_code(way):
    prior = tfd.MultivariateNormalDiag(tf.zeros(WIDTH))
    held = tfpl.KLDivergenceRegularizer(prior, weight=0.5) if way == "regularizer" else None
    layers = [
        L.Dense(tfpl.MultivariateNormalTriL.params_size(WIDTH), input_shape=(FEATURES,)),
        tfpl.MultivariateNormalTriL(WIDTH, activity_regularizer=held),
    ]
    if way == "added":
        layers.append(tfpl.KLDivergenceAddLoss(prior))
    net = tf_keras.Sequential(layers)
    net.compile("adam", minus_log_prob)
    report = checkup(net, INPUTS, VALUES, num_examples=N)
    [alarm] = report.alarms
    assert alarm.kind == "activation-kl"
    assert "the one that the network puts out" in alarm.message


class OnlyInTraining(L.Layer):
    """Draws by local reparameterization while it trains, and takes the means otherwise."""

    def build(self, shape):
        self.loc = self.add_weight("loc", (shape[-1], CLASSES))
        self.rho = self.add_weight("rho", (shape[-1], CLASSES), initializer="zeros")

    def call(self, inputs, training=None):
        scale = tf.nn.softplus(self.rho)
        q, p = tfd.Normal(self.loc, scale), tfd.Normal(0.0, 1.0)
        self.add_loss(tf.reduce_sum(tfd.kl_divergence(q, p)) / N)
        mean = inputs @ self.loc
        if not training:
            return mean
        return mean + tf.sqrt(inputs**2 @ scale**2) * tf.random.normal(tf.shape(mean))


def test_draws_that_are_taken_in_training_alone_are_refused_in_prediction():
    net = tf_keras.Sequential([OnlyInTraining(input_shape=(FEATURES,))])
    net.compile("adam", entropy)
    with pytest.raises(ValueError, match="only when it is called with training=True"):
        predict_by_draws(net, INPUTS, 3)
    plain = tf_keras.Sequential([L.Dense(CLASSES, input_shape=(FEATURES,)), L.Dropout(0.3)])
    plain.compile("adam", entropy)
    assert np.ptp(predict_by_draws(plain, INPUTS, 3).draws, axis=0).max() == 0


def posterior(kernel, bias=0, dtype=None):
    size = kernel + bias
    shift = np.log(np.expm1(1.0))
    return tf_keras.Sequential(
        [
            tfpl.VariableLayer(2 * size, dtype=dtype),
            tfpl.DistributionLambda(
                lambda t: tfd.Independent(
                    tfd.Normal(t[..., :size], 1e-5 + tf.nn.softplus(shift + t[..., size:])), 1
                )
            ),
        ]
    )


def prior(kernel, bias=0, dtype=None):
    size = kernel + bias
    return tf_keras.Sequential(
        [tfpl.DistributionLambda(lambda _: tfd.Independent(tfd.Normal(tf.zeros(size), 1.0), 1))]
    )


@pytest.mark.parametrize("exact", [True, False])
def test_an_untrained_variational_layer_without_a_distribution_is_healthy(exact):
    layers = [
        tfpl.DenseVariational(
            units, posterior, prior, kl_weight=1 / N, kl_use_exact=exact, activation=activation
        )
        for units, activation in ((7, "relu"), (1, None))
    ]
    net = tf_keras.Sequential(layers)
    net.compile("adam", lambda y, mean: -tfd.Normal(mean, 0.3).log_prob(y))
    report = checkup(net, INPUTS, VALUES[:, :1], num_examples=N)
    assert report.ok, str(report)


class TwoKls(L.Layer):
    """Adds the drawn KLs of kernel and bias as one entry; each weight has the same prior."""

    def __init__(self, units, *, anew):
        super().__init__()
        self.units, self.anew = units, anew

    def build(self, shape):
        normal = tf_keras.initializers.RandomNormal(stddev=0.5)
        for name, size in (("kernel", (shape[-1], self.units)), ("bias", (self.units,))):
            setattr(self, f"{name}_loc", self.add_weight(f"{name}_loc", size, initializer=normal))
            setattr(self, f"{name}_rho", self.add_weight(f"{name}_rho", size, initializer="zeros"))
        if not self.anew:
            self.keep()

    def keep(self):
        scale = lambda rho: 1e-3 + tf.nn.softplus(0.1 * rho)  # noqa: E731
        for name in ("kernel", "bias"):
            loc, rho = getattr(self, f"{name}_loc"), getattr(self, f"{name}_rho")
            made = scale(rho) if self.anew else tfp.util.DeferredTensor(rho, scale)
            setattr(self, f"{name}_posterior", tfd.Normal(loc, made))
            shares = tfd.Categorical(probs=[0.5, 0.5])
            parts = tfd.Normal([0.0, 0.0], [1.0, 0.1])
            setattr(self, f"{name}_prior", tfd.MixtureSameFamily(shares, parts))

    def call(self, inputs):
        if self.anew:
            self.keep()
        drawn, nats = [], 0.0
        for name in ("kernel", "bias"):
            q, p = getattr(self, f"{name}_posterior"), getattr(self, f"{name}_prior")
            w = q.sample()
            nats += tf.reduce_sum(q.log_prob(w) - p.log_prob(w))
            drawn.append(w)
        self.add_loss(nats / N)
        return inputs @ drawn[0] + drawn[1]


def two_kls(*, anew):
    layers = [TwoKls(4, anew=anew), L.ReLU(), TwoKls(1, anew=anew)]
    net = tf_keras.Sequential(layers)
    net(INPUTS[:2])
    net.compile("adam", lambda y, mean: -tfd.Normal(mean, 0.3).log_prob(y))
    return net


@pytest.mark.parametrize("seed", range(3))
def test_two_kls_in_one_entry_are_known_exactly(seed):
    tf_keras.utils.set_random_seed(seed)
    net = two_kls(anew=False)
    assert list(losses_by_layer(net, INPUTS[:7]).divisor) == [N, N]
    report = checkup(net, INPUTS, VALUES[:, :1], num_examples=N)
    assert report.ok, str(report)


def test_distributions_that_each_call_makes_anew_are_no_false_alarm():
    report = checkup(two_kls(anew=True), INPUTS, VALUES[:, :1], num_examples=N)
    assert "no-scale-gradient" not in report.kinds(), str(report)
    assert not report.alarms


def test_an_attribute_that_is_missing_has_no_cure_about_likelihoods():
    net = tf_keras.Sequential([tfpl.DenseFlipout(1, input_shape=(FEATURES,))])

    def objective(x, y):
        return tf.reduce_mean(net(x)) + net.layers[0].kernel_divergence / N

    report = checkup(net, INPUTS, VALUES[:, :1], num_examples=N, loss=objective)
    [alarm] = report.alarms
    assert alarm.kind == "cannot-run"
    assert "likelihood" not in alarm.cure
