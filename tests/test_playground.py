"""What readers can move on the pages: its numbers against the helpers, and how it behaves."""

import functools
import itertools
import json
import pathlib
import re
import subprocess
from typing import Any

import browser
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from bs4 import BeautifulSoup
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from test_notebooks import translate  # noqa: F401

from _ext import playground
from helpers.losses.gaussian_kl import gaussian_kl, gaussian_kl_terms
from helpers.networks.dense import bayesian_network
from tools.book.root import BookError
from tools.colab.markdown import PLAYS

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIX_DIGITS = {"rtol": 1e-6, "atol": 1e-9}
LARGEST = 60_000  # bytes of all scripts and styles
DRIVER = ROOT / "tests" / "play_in_browser.mjs"
PLAIN = """const plain = (value) => JSON.stringify(value, (key, part) =>
  ArrayBuffer.isView(part) ? Array.from(part) : part);"""


class Engine:
    """The engine in V8; `spoil` replaces a piece of its text."""

    def __init__(self, *spoil: str) -> None:
        text = (playground.FOLDER / "engine.js").read_text(encoding="utf-8")
        if spoil:
            assert text.count(spoil[0]) == 1, f"{spoil[0]!r} is not there once"
            text = text.replace(*spoil)
        self.v8 = MiniRacer()
        self.v8.eval(f"{text}\n{PLAIN}")

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.v8.close()

    def __call__(self, function: str, *arguments: Any) -> Any:
        """Call a function of the engine."""
        given = ", ".join(json.dumps(argument) for argument in arguments)
        return json.loads(self.v8.eval(f"plain(BookPlay.engine.{function}({given}))"))

    def run(self, body: str) -> Any:
        """Run statements in which E is the engine; return what they return."""
        return json.loads(self.v8.eval(f"plain((() => {{ const E = BookPlay.engine; {body} }})())"))


@pytest.fixture(scope="module")
def engine():
    with Engine() as engine:
        yield engine


# The KL


def check_kl(engine):
    """The engine's KL and its terms are the helpers'."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        mean, prior_mean = rng.normal(size=2)
        stddev, prior_stddev = np.exp(rng.normal(size=2))
        expected = gaussian_kl(mean, stddev, prior_mean, prior_stddev)
        found = engine("gaussianKl", mean, stddev, prior_stddev, prior_mean)
        np.testing.assert_allclose(found, expected, **SIX_DIGITS)
    mean, rho = rng.normal(size=12), rng.normal(-2, 1, size=12)
    found = engine("layerKl", {"mean": list(mean), "rho": list(rho)}, 1)
    terms = gaussian_kl_terms(mean, np.log1p(np.exp(rho)))
    np.testing.assert_allclose(found["square"], terms["½μ²"], **SIX_DIGITS)
    np.testing.assert_allclose(found["scale"], terms["½σ²"] + terms["−½"], **SIX_DIGITS)
    np.testing.assert_allclose(found["log"], terms["−log σ"], **SIX_DIGITS)
    np.testing.assert_allclose(found["total"], sum(terms.values()), **SIX_DIGITS)


def test_kl_is_that_of_the_helpers(engine):
    check_kl(engine)


# The gradients under given noise


def given_step(engine, estimator):
    """A network, a batch and a draw of noise, and what the engine computes from them."""
    return engine.run(f"""
      const network = E.makeNetwork({{ ...E.DEFAULTS, units: 5, seed: 3, startStddev: 0.3 }});
      network.layers.forEach((layer) => layer.bias.forEach((_, i) => {{
        layer.bias[i] = 0.1 * (i + 1); }}));
      const {{ x, y }} = E.makeData(8, 1);
      const flipout = {json.dumps(estimator == "flipout")};
      const noise = E.drawNoise(network.layers, 8, E.normalGenerator(5), flipout);
      const found = E.lossAndGradients(network, x, y, noise, 0.03, 0.7);
      return {{ network, x, y, noise, found }};""")


def narrow_prior(dtype, shape, *_):
    """N(0, 0.7²) for each weight."""
    normal = tfp.distributions.Normal(tf.zeros(shape, dtype), tf.constant(0.7, dtype))
    return tfp.distributions.Independent(normal, reinterpreted_batch_ndims=len(shape))


def tensorflow_network(step, estimator, monkeypatch):
    """The helpers' network in float64 with the engine's weights, which draws the given noise."""
    layers = step["network"]["layers"]
    draws = [
        np.reshape(noise["epsilon"], (layer["inputs"], layer["units"]))
        for layer, noise in zip(layers, step["noise"], strict=True)
    ]
    waiting = itertools.cycle(draws)  # building the network draws, too
    flipout = estimator == "flipout"
    if flipout:
        sizes = [(side, layer[size]) for layer in layers for side, size in SIDES]
        noises = [noise for noise in step["noise"] for _ in SIDES]
        signs = itertools.cycle(
            np.reshape(np.asarray(noise[side], float), (-1, size))
            for noise, (side, size) in zip(noises, sizes, strict=True)
        )
        module = tfp.layers.DenseFlipout.call.__globals__["tfp_random"]
        monkeypatch.setattr(module, "rademacher", lambda *_, **__: tf.constant(next(signs)))
    neural_net = bayesian_network(
        [5, 5, 1],
        layer_class=tfp.layers.DenseFlipout if flipout else tfp.layers.DenseReparameterization,
        kernel_posterior_tensor_fn=lambda q: q.mean() + q.stddev() * next(waiting),
        kernel_prior_fn=narrow_prior,
        dtype="float64",
    )
    neural_net.build((None, 1))
    for variable, value in zip(neural_net.weights, flat(layers), strict=True):
        variable.assign(np.reshape(value, variable.shape))
    return neural_net


SIDES = (("signIn", "inputs"), ("signOut", "units"))


def flat(layers):
    """Means, untransformed scales and biases, layer by layer, in the order of TFP's variables."""
    return [layer[part] for layer in layers for part in ("mean", "rho", "bias")]


def check_gradients(engine, estimator, monkeypatch):
    """Loss, entries of losses and all gradients are TensorFlow's under the same noise."""
    step = given_step(engine, estimator)
    neural_net = tensorflow_network(step, estimator, monkeypatch)
    noise_rho = tf.Variable(step["network"]["noiseRho"][0], dtype=tf.float64)
    x, y = (np.reshape(step[name], (-1, 1)) for name in "xy")
    variables = [*neural_net.trainable_variables, noise_rho]
    with tf.GradientTape() as tape:
        likelihood = tfp.distributions.Normal(neural_net(x), tf.nn.softplus(noise_rho))
        nll = -tf.reduce_mean(likelihood.log_prob(y))
        loss = nll + 0.03 * sum(neural_net.losses)
    gradients = tape.gradient(loss, variables)
    found = step["found"]
    np.testing.assert_allclose(found["nll"], nll, **SIX_DIGITS)
    np.testing.assert_allclose(found["losses"], neural_net.losses, **SIX_DIGITS)
    np.testing.assert_allclose(found["loss"], loss, **SIX_DIGITS)
    all_found = [*flat(found["gradients"]), found["ofNoise"]]
    for mine, theirs in zip(all_found, gradients, strict=True):
        np.testing.assert_allclose(
            mine, np.ravel(theirs) if np.ndim(mine) else theirs, **SIX_DIGITS
        )


@pytest.mark.parametrize("estimator", ["reparameterization", "flipout"])
def test_gradients_are_those_of_tensorflow(engine, estimator, monkeypatch):
    check_gradients(engine, estimator, monkeypatch)


SPOILED = [
    ("log: -Math.log(ratio)", "log: Math.log(ratio)"),
    ("scale: (ratio * ratio - 1) / 2", "scale: (ratio * ratio + 1) / 2"),
    ("weight * layer.mean[i] * precision", "weight * layer.mean[i]"),
    ("stddev * precision - 1 / stddev", "stddev * precision + 1 / stddev"),
    ("rho[i] *= sigmoid(layer.rho[i])", "rho[i] *= 1"),
    ("signs[i] > 0 ? values[i] : 0", "Math.abs(values[i])"),
    ("1 / stddev - meanSquare", "1 / stddev + meanSquare"),
    ("const flipped = times(gradient, noise.signOut)", "const flipped = gradient"),
]


def check_all(engine, monkeypatch):
    """All that is held against the helpers, number by number."""
    check_kl(engine)
    for estimator in ("reparameterization", "flipout"):
        check_gradients(engine, estimator, monkeypatch)


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil[1])
def test_a_wrong_sign_or_factor_is_found(spoil, monkeypatch):
    with Engine(*spoil) as engine, pytest.raises(AssertionError):
        check_all(engine, monkeypatch)


# Training

STEPS, SEEDS = 2000, range(4)


def train_in_engine(engine, seed):
    """The negative ELBO per example after training, in nats."""
    return engine.run(f"""const training = E.makeTraining({{ seed: {seed} }});
      E.trainSteps(training, {STEPS});
      return E.measure(training, 50).minusElbo;""")


NUM_EXAMPLES = 256


def tensorflow_trainer(x, y):
    """A function of a seed that does the same by TFP's layers, tf_keras' Adam and TensorFlow."""
    neural_net = new_network(0)
    noise_rho = tf.Variable(0.0)
    variables = [*neural_net.trainable_variables, noise_rho]
    optimizer = tf_keras.optimizers.Adam(0.01)
    optimizer.build(variables)

    def minus_elbo(rows):
        likelihood = tfp.distributions.Normal(
            neural_net(tf.gather(x, rows)), tf.nn.softplus(noise_rho)
        )
        nll = -tf.reduce_mean(likelihood.log_prob(tf.gather(y, rows)))
        return nll + sum(neural_net.losses) / NUM_EXAMPLES

    @tf.function(jit_compile=True)
    def train(batches):
        for step in tf.range(STEPS):
            with tf.GradientTape() as tape:
                loss = minus_elbo(batches[step])
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    def run(seed):
        for variable in optimizer.variables:
            if "learning_rate" not in variable.name:
                variable.assign(tf.zeros_like(variable))
        neural_net.set_weights(new_network(seed).get_weights())
        noise_rho.assign(np.log(np.expm1(0.5)))
        rng = np.random.default_rng(seed)
        epochs = [rng.permutation(NUM_EXAMPLES) for _ in range(32 * STEPS // NUM_EXAMPLES)]
        tf.random.set_seed(seed)
        train(tf.constant(np.reshape(epochs, (STEPS, 32))))
        return np.mean([minus_elbo(np.arange(NUM_EXAMPLES)) for _ in range(50)])

    return run


def new_network(seed):
    """The playground's network, as the helpers make it."""
    layer_class = tfp.layers.DenseReparameterization
    neural_net = bayesian_network([12, 12, 1], seed=seed, layer_class=layer_class)
    neural_net.build((None, 1))
    return neural_net


def test_training_ends_where_tensorflows_does(engine):
    data = engine("makeData", NUM_EXAMPLES, 0)
    x, y = (np.reshape(data[name], (-1, 1)).astype("float32") for name in "xy")
    theirs = np.array(list(map(tensorflow_trainer(x, y), SEEDS)))
    mine = np.array([train_in_engine(engine, seed) for seed in SEEDS])
    spread = max(np.ptp(theirs), np.ptp(mine))
    assert abs(mine.mean() - theirs.mean()) < spread
    assert spread < 0.3, "So the comparison says something: forgetting makes a difference of 0.6."


def test_weight_one_forgets_the_data_and_one_over_n_learns_them(engine):
    learned, forgotten, back = engine.run("""
      const training = E.makeTraining({}), seen = [];
      for (const [weight, steps] of [["1/N", 3000], ["1", 2000], ["1/N", 2000]]) {
        training.options.weight = weight;
        E.trainSteps(training, steps);
        seen.push(E.measure(training));
      }
      return seen;""")
    assert learned["explained"] > 0.8
    assert forgotten["explained"] < 0.15
    assert forgotten["stddev"] > 0.95
    assert forgotten["kl"] < 2 < 50 < learned["kl"]
    assert back["explained"] < 0.4, "As verdict() says: it has to go back to step 0."


def test_frozen_scales_stay_and_twins_start_equal(engine):
    before, after = engine.run("""
      const training = E.makeTraining({ freeze: true, twins: true });
      const before = { ...E.measure(training), rho: training.network.layers[1].rho.slice() };
      E.trainSteps(training, 50);
      return [before, { ...E.measure(training), rho: training.network.layers[1].rho }];""")
    assert before["rho"] == after["rho"]
    first, _, last = before["losses"]
    assert first["total"] == last["total"]
    assert after["losses"][0]["total"] != after["losses"][2]["total"]


# One weight in closed form


def one_weight_loss(choice, weight, y):
    """Mean NLL + weight · KL by the helpers, for q = N(mean, stddev²)."""
    mean, stddev = choice[0], np.exp(choice[1])
    nll = 0.5 * np.log(2 * np.pi) + 0.5 * np.mean((y - mean) ** 2) + 0.5 * stddev**2
    return nll + weight * gaussian_kl(mean, stddev)


@pytest.mark.parametrize("weight", [1 / 32, 1 / 4, 1.0])
def test_best_q_of_one_weight_is_the_numeric_optimum(engine, weight):
    y = np.random.default_rng(0).normal(size=32)
    y = 0.8 + (y - y.mean()) / y.std()
    best = engine("oneWeightOptimum", weight)
    found = scipy.optimize.minimize(one_weight_loss, [0, 0], (weight, y), tol=1e-10)
    np.testing.assert_allclose(best["mean"], found.x[0], atol=1e-5)
    np.testing.assert_allclose(best["stddev"], np.exp(found.x[1]), atol=1e-5)
    loss = engine("oneWeightLoss", best["mean"], best["stddev"], weight)["loss"]
    np.testing.assert_allclose(loss, found.fun, **SIX_DIGITS)


def test_weight_one_over_n_gives_the_exact_posterior(engine):
    best = engine("oneWeightOptimum", 1 / 32)
    np.testing.assert_allclose(best["stddev"] ** -2, 32 + 1, **SIX_DIGITS)  # precisions add
    np.testing.assert_allclose(best["mean"], 32 * 0.8 / 33, **SIX_DIGITS)


# The page


@functools.cache
def soup(kind):
    return BeautifulSoup(playground.render(kind), "html.parser")


@pytest.mark.parametrize("kind", PLAYS)
def test_every_play_has_words_for_those_who_cannot_see_or_move_it(kind):
    page = soup(kind)
    assert not re.search("NaN|undefined|Infinity|null", page.get_text())
    for picture in page.select("svg:not(svg svg)"):
        described = picture.get("role") == "img" and len(picture["aria-label"]) > 30
        assert described or picture.get("aria-hidden") == "true"
    assert page.find("svg", role="img")
    assert page.find("table")
    labels = {label["for"] for label in page.find_all("label")}
    inputs = [field["id"] for field in page.find_all("input")]
    assert inputs
    assert set(inputs) == labels
    names = [element["id"] for element in page.find_all(id=True)]
    assert len(names) == len(set(names))
    assert page.find("button") is None or page.find("button")["type"] == "button"
    assert page.find("p", {"aria-live": "polite"})


def test_still_table_holds_what_the_engine_measures(engine):
    rows = soup("network").select(".play-still tbody tr")
    weights = ["0", "1/N", "1/B", "1/M", "1"]
    assert [row.th.contents[0] for row in rows] == weights
    for row, weight in zip(rows, weights, strict=True):
        found = engine.run(f"""const training = E.makeTraining({{ weight: "{weight}" }});
          E.trainSteps(training, 3000); return E.measure(training);""")
        nll, kl, _ = (float(cell.get_text().strip(" %").replace("−", "-")) for cell in row("td"))
        assert abs(nll - found["nll"]) < 0.006
        assert abs(kl - found["kl"]) < 0.06


def test_all_that_a_reader_loads_is_small():
    files = {path.name: path.stat().st_size for path in playground.FOLDER.iterdir()}
    assert sum(files.values()) <= LARGEST, files
    named = {name for kind in PLAYS for name in playground.scripts(kind)} | {"play.css"}
    assert set(files) == named


def test_files_come_only_with_pages_that_need_them(tmp_path):
    for name, text in {"index": ":::{play} kl\n:::", "other": "Words."}.items():
        (tmp_path / f"{name}.md").write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "_ext.playground"],
        "myst_enable_extensions": ["colon_fence"],
        "html_static_path": [str(ROOT / "_static")],
        "html_js_files": ["play/engine.js"],  # as jupyter-book does with all that it finds
        "html_css_files": ["play/play.css"],
    }
    out = tmp_path / "out"
    app = Sphinx(
        tmp_path, None, out, out, "html", confoverrides=settings, status=None, warning=None
    )
    app.build()
    with_play, without = ((out / f"{name}.html").read_text() for name in ("index", "other"))
    order = re.findall(r'<script defer="defer" src="_static/play/([\w.]+)', with_play)
    assert order == ["engine.js", "draw.js", "kl.js"]
    assert "play/play.css" in with_play
    assert "play/" not in without


def test_a_notebook_has_a_link_instead(translate):  # noqa: F811
    for kind in PLAYS:
        text = translate(f":::{{play}} {kind}\n:::")
        assert re.search(rf"\[open it\]\(https://\S+/chapters/01-one\.html#play-{kind}\)", text)


@pytest.mark.parametrize("text", [":::{play} chess\n:::", ":::{play} kl\nwords\n:::"])
def test_a_notebook_refuses_what_it_does_not_know(translate, text):  # noqa: F811
    with pytest.raises(BookError, match="write it with one of network, kl, weight"):
        translate(text)


# In a browser


def whole_page(folder):
    """A page with the playground that loads its scripts from files."""
    address = playground.FOLDER.as_uri()
    scripts = "".join(
        f'<script defer src="{address}/{name}"></script>' for name in playground.scripts("network")
    )
    page = folder / "page.html"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">{scripts}'
    style = f'<link rel="stylesheet" href="{address}/play.css">'
    body = playground.render("network")
    text = f'<!DOCTYPE html><html lang="en"><head>{head}{style}</head><body>{body}</body></html>'
    page.write_text(text, encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a browser shows while it is driven."""
    page = whole_page(tmp_path_factory.mktemp("play"))
    command = ["node", str(DRIVER), str(browser.modules()), str(browser.chromium()), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def share(state):
    """The share of the variance that is explained, in percent, from the sentence."""
    return int(re.search(r"explains (\d+) %", state["verdict"])[1])


@pytest.mark.browser
def test_a_reader_sees_the_network_learn_forget_and_pause_by_keyboard(seen):
    scene = seen["byKeyboard"]
    assert seen["errors"] == []
    assert scene["width"] <= 360
    assert scene["still"]["step"] == 3000
    assert share(scene["learned"]) > 80
    assert scene["chosen"] == "1"
    assert share(scene["forgotten"]) < 20
    assert "forgotten its data" in scene["forgotten"]["verdict"]
    assert scene["forgotten"]["entries"][-1] < 3 < scene["learned"]["entries"][-1]
    assert scene["paused"] == scene["later"]


@pytest.mark.browser
def test_what_is_shown_is_what_the_engine_computes(seen, engine):
    step = seen["byKeyboard"]["learned"]["step"]
    found = engine.run(f"""const training = E.makeTraining({{}});
      E.trainSteps(training, {step}); return E.measure(training);""")
    entries = [layer["total"] for layer in found["losses"]] + [found["kl"]]
    np.testing.assert_allclose(seen["byKeyboard"]["learned"]["entries"], entries, atol=0.06)


@pytest.mark.browser
def test_the_weight_moves_the_network_of_the_still_picture(seen):
    scene = seen["fromStill"]
    assert 3100 <= scene["begun"]["step"] < 4000
    assert 1 <= len(scene["spoken"]) <= 2, "Screen readers are told, and not flooded."
    assert "nats" in scene["spoken"][0]


@pytest.mark.browser
def test_twins_start_with_the_same_entry(seen):
    first, _, last, _ = seen["twins"]
    assert first == last


@pytest.mark.browser
def test_it_runs_without_workers_and_stands_without_scripts(seen):
    assert seen["withoutWorker"]["step"] >= 600
    assert seen["withoutScripts"] == {"picture": True, "still": True, "run": False}
