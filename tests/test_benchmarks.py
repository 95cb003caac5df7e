"""The benchmark: contenders with one interface, equal work, and a driver that loses nothing."""

import ast
import itertools
import json
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_probability as tfp
import tf_keras
from sampling import NIGHTLY
from test_helpers_style import undocumented, untyped

from benchmarks import compare, prediction, without
from benchmarks.environments import clean_variables, made, versions
from benchmarks.record import masked, write_record
from benchmarks.registry import CONTENDERS, all_contenders, all_parts, choose, read_contender
from benchmarks.step_parts import PARTS, prepare_part
from benchmarks.tfp_networks import compiled, fit_steps, flipout_network, network
from benchmarks.time_one import load_contender, peak_mebibytes
from benchmarks.work import Batches, NotOfferedError, Work, load_images
from helpers.losses.gaussian_kl import gaussian_kl
from helpers.page.benchmark_results import RESULTS, Setting, cost_table, ratio_table, read_results

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "benchmarks").rglob("*.py"))
SOURCES = [path for path in SOURCES if ".environments" not in path.parts]
NAMES = sorted(path.stem for path in CONTENDERS.glob("*.py") if path.stem != "__init__")

# A contender of one's own in a file, with a body for run().
CONTENDER = """
import time
from benchmarks.work import NotOfferedError
TITLE = "{name}"
ENVIRONMENT = "book"
KIND = "bound"
def prepare(work, images, labels):
    def run(num_steps):
        {body}
        return 1.5
    return run
"""


@pytest.fixture
def contender(tmp_path):
    """Return a function that writes a contender's file and returns its path."""

    def write(name, body="time.sleep(0.001 * num_steps)"):
        path = tmp_path / f"{name}.py"
        path.write_text(CONTENDER.format(name=name, body=body))
        return str(path)

    return write


def command(out, *arguments):
    tiny = ["--steps", "3", "--repeats", "2", "--width", "5", "--batch", "20", "--examples", "60"]
    return [sys.executable, "benchmarks/compare.py", "--out", str(out), *tiny, *arguments]


def run_driver(out, *arguments):
    return subprocess.run(
        command(out, *arguments), cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", [undocumented, untyped])
def test_the_benchmark_keeps_the_rules_of_the_helpers(rule, path):
    assert rule(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_contender_has_the_interface(name):
    found = all_contenders()[name]
    tree = ast.parse(found.file.read_text(encoding="utf-8"))
    (prepare,) = [n for n in tree.body if getattr(n, "name", "") == "prepare"]
    assert ast.unparse(prepare.returns) == "Run"
    assert len(ast.get_docstring(tree)) > 40
    assert len(found.title) > 5


def test_titles_differ():
    titles = [it.title for it in all_contenders().values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("prepare(work, images, labels)", "prepare(work)", "no function prepare"),
        ('KIND = "bound"', "", "must set the constant KIND, one of book, tfp"),
        ('"book"', '"shared"', "ENVIRONMENT, one of book, torch, jax"),
        ("TITLE =", "NAME =", "must set the constant TITLE, a few words"),
    ],
)
def test_a_file_without_the_interface_is_refused(contender, old, new, message):
    path = pathlib.Path(contender("spoiled"))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_contender(path)


def test_an_unknown_contender_is_refused_with_those_there_are():
    with pytest.raises(
        ValueError, match=r"Unknown contenders: tfp_fitt\. There are bayesian_torch"
    ):
        choose(["tfp_fitt"])


def first_losses(name, work, examples=60):
    images, labels = load_images(None, examples)
    return load_contender(str(CONTENDERS / f"{name}.py")).prepare(work, images, labels)(1)


TRAINERS = ("tfp_fit", "tfp_train_on_batch", "tfp_function_loop", "book_trainer_plain")


@pytest.mark.parametrize(
    ("name", "num_draws"),
    [
        *((name, 1) for name in TRAINERS),
        *(pytest.param(name, 3, marks=NIGHTLY) for name in TRAINERS),
        ("book_trainer", 1),
        ("book_trainer", 3),
    ],
)
def test_contenders_minimise_the_mean_nll_plus_the_kl_once_over_n(name, num_draws):
    work = Work(width=6, batch_size=20, num_draws=num_draws)
    num_weights = sum(a * b for a, b in work.shapes)
    scale = np.log1p(np.exp(-3.0))
    # The means start at N(0, 0.1²), so that a mean² is 0.01 on average.
    expected = np.log(10) + num_weights * gaussian_kl(0.1, scale) / 60
    np.testing.assert_allclose(first_losses(name, work), expected, rtol=0.03)


def test_the_plain_network_costs_no_kl_and_refuses_draws():
    assert first_losses("deterministic_fit", Work(width=6, batch_size=20)) < 4
    with pytest.raises(NotOfferedError, match="draws no weights"):
        first_losses("deterministic_fit", Work(width=6, batch_size=20, num_draws=2))


@pytest.mark.parametrize("num_draws", [1, 2])
def test_the_floor_runs(num_draws):
    work = Work(width=6, batch_size=7, num_draws=num_draws)
    assert np.isfinite(first_losses("matrix_products", work))


def test_lenet5_is_that_of_the_example():
    neural_net = network(Work(network="lenet5"), tfp.layers.DenseFlipout)
    bayesian = [layer for layer in neural_net.layers if hasattr(layer, "kernel_posterior")]
    shapes = [tuple(layer.kernel_posterior.event_shape) for layer in bayesian]
    assert shapes == [(5, 5, 1, 6), (5, 5, 6, 16), (5, 5, 16, 120), (7 * 7 * 120, 84), (84, 10)]
    assert neural_net.output_shape == (None, 10)


def test_who_cannot_do_lenet5_says_so():
    work = Work(network="lenet5", batch_size=20)
    with pytest.raises(NotOfferedError, match="no convolution to go with DenseLocalRep"):
        first_losses("book_trainer_local_reparameterization", work)
    with pytest.raises(NotOfferedError, match="lenet5 is written for"):
        first_losses("matrix_products", work)


@pytest.mark.parametrize("num_steps", [2, 3, 7, 9])
def test_fit_takes_exactly_the_steps_that_are_asked_for(num_steps):
    work = Work(width=4, batch_size=20)
    images, labels = load_images(None, 70)  # three batches and a remainder that is left out
    neural_net = compiled(flipout_network(work, 70), work)
    fit_steps(neural_net, images, labels, work, num_steps)
    assert int(neural_net.optimizer.iterations) == num_steps


def test_several_draws_under_fit_differ_and_their_kl_counts_once():
    tf_keras.utils.set_random_seed(0)
    work = Work(width=4, batch_size=20, num_draws=3)
    images, labels = load_images(None, 60)
    neural_net = compiled(flipout_network(work, 60), work)
    calls = []
    inner = neural_net.neural_net
    original = inner.call
    inner.call = lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs)
    neural_net.run_eagerly = True
    fit_steps(neural_net, images, labels, work, 2)
    assert len(calls) == 2 * 3
    assert len(inner.losses) == 3  # one KL a layer


def test_the_table_of_parts_is_read_without_importing_it():
    read = {name: part.title for name, part in all_parts().items()}
    assert read == {name: part.title for name, part in PARTS.items()}
    assert [it.name for it in choose(["matrix_products", "parts"])][1:] == list(PARTS)
    assert not set(PARTS) & {it.name for it in choose([])}
    assert {"adam_keras", "kl_trainer"} <= set(read)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", PARTS)
def test_every_part_runs(name):
    work = Work(width=5, batch_size=20)
    images, labels = load_images(None, 60)
    assert np.isfinite(prepare_part(name, work, images, labels)(3))


def test_work_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="network is 'lenet': choose one of dense, lenet5"):
        Work(network="lenet")
    with pytest.raises(ValueError, match="num_draws is 0"):
        Work(num_draws=0)
    with pytest.raises(ValueError, match="batch_size is 128, but there are 60 examples"):
        Batches(60, Work())


def test_batches_pass_over_each_example_once_an_epoch_in_a_new_order():
    batches = Batches(23, Work(batch_size=5, seed=3))
    taken = np.concatenate([batches.take(3), batches.take(1), batches.take(6)])
    assert taken.shape == (10, 5)
    first, second = taken[:4].ravel(), taken[4:8].ravel()
    assert len(set(first)) == len(set(second)) == 20
    assert list(first) != list(second)
    np.testing.assert_array_equal(taken, Batches(23, Work(batch_size=5, seed=3)).take(10))


def test_deterministic_images_are_the_same_each_time_and_tell_the_class():
    images, labels = load_images(None, 1500)
    again, _ = load_images(None, 1500)
    np.testing.assert_array_equal(images, again)
    assert images.shape == (1500, 784)
    assert (images.dtype, labels.dtype) == (np.float32, np.int32)
    assert images.min() == 0
    assert 0.9 < images.max() <= 1
    centres = np.stack([images[labels == c].mean(axis=0) for c in range(10)])
    nearest = ((images[:50, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == labels[:50]).mean() > 0.9


def test_mnist_is_read_from_the_file_of_keras(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)
    np.savez(tmp_path / "mnist.npz", x_train=pixels, y_train=np.arange(9, dtype=np.uint8))
    images, labels = load_images(str(tmp_path / "mnist.npz"), 7)
    np.testing.assert_allclose(images, pixels[:7].reshape(7, 784) / 255.0, rtol=1e-6)
    assert images.dtype == np.float32
    assert labels.tolist() == list(range(7))


def test_peak_of_memory_is_in_mebibytes():
    assert 100 < peak_mebibytes() < 50_000  # TensorFlow alone is some hundreds


def test_every_round_starts_with_another_contender():
    names = ["a", "b", "c"]
    assert [compare.rotated(names, k) for k in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_the_sweep_varies_one_thing_at_a_time():
    works = compare.works_of(compare.parse_options(["--sweep"]))
    assert works[0] == Work()
    assert len(works) == len(set(works)) == 8
    fields = ("network", "width", "batch_size", "num_draws")
    for work in works[1:]:
        assert sum(getattr(work, it) != getattr(works[0], it) for it in fields) == 1
    for name, values in (("width", {100, 400, 1200}), ("batch_size", {32, 128, 512})):
        assert {getattr(work, name) for work in works} == values
    assert {work.num_draws for work in works} == {1, 4, 16}
    assert {work.network for work in works} == {"dense", "lenet5"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--python", "conda=x"], "write NAME=PATH, NAME one of book, torch, jax"),
        (["--out", "README.md"], "README.md exists: remove it, or name another file"),
    ],
)
def test_wrong_options_are_refused(arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        compare.parse_options(arguments)
    assert message in capsys.readouterr().err


def test_two_contenders_of_tfp_from_end_to_end(tmp_path):
    out = tmp_path / "new" / "results.json"
    done = run_driver(out, "--contenders", "tfp_fit", "tfp_function_loop", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(out.read_text())
    assert record["complete"] is True
    assert record["environments"]["book"]["packages"]["tensorflow-probability"] == tfp.__version__
    assert record["data"] == "deterministic images"
    assert record["seed"] == 0
    for it in record["measurements"]:
        assert len(it["ms"]) == len(it["cpu_ms"]) == 2
        assert it["peak_mebibytes"] > it["data_mebibytes"] > 0
        assert it["compile_seconds"] > 0.1
    table = cost_table(read_results(out), compare.setting_of(Work("dense", 5, 20)))
    assert set(table.index) == {"tfp_fit", "tfp_function_loop"}
    assert "TFP: compile and fit" in done.stdout
    assert "times the time of tfp_fit" in done.stdout


def test_a_failing_contender_shows_its_error_and_costs_nobody_else_a_round(tmp_path, contender):
    files = [
        contender("steady"),
        contender("broken", "raise RuntimeError('no such ' + 'kernel')"),
        contender("unable", "raise NotOfferedError('only on Sundays')"),
        contender("diverging", "return float('nan')"),
        contender("other"),
    ]
    out = tmp_path / "results.json"
    done = run_driver(out, "--contenders", *files, "--rounds", "3", "--base", "steady")
    assert done.returncode == 1, done.stderr
    record = json.loads(out.read_text())
    order = [(it["round"], it["contender"]) for it in record["measurements"]]
    assert order == [
        (k, name) for k in range(3) for name in (["steady", "other"], ["other", "steady"])[k > 0]
    ]
    assert {it["contender"] for it in record["failures"]} == {"broken", "diverging"}
    assert len(record["failures"]) == 2
    (left_out,) = record["left_out"]
    assert left_out["reason"] == "only on Sundays"
    assert "RuntimeError: no such kernel" in done.stdout
    assert "the loss after 9 steps is nan" in done.stdout
    assert "left out: unable" in done.stdout
    assert str(tmp_path) not in json.dumps(record)


def test_a_contender_that_hangs_is_stopped_and_reported(tmp_path, contender):
    out = tmp_path / "results.json"
    hanging = contender("hanging", "time.sleep(600)")
    done = run_driver(out, "--contenders", hanging, "--rounds", "1", "--timeout", "8")
    assert done.returncode == 1
    (failure,) = json.loads(out.read_text())["failures"]
    assert failure["stderr"] == ["stopped after 8 seconds (--timeout)"]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_was_measured(tmp_path, contender, signal_number):
    out = tmp_path / "results.json"
    files = [contender("steady"), contender("slow", "time.sleep(600)")]
    with subprocess.Popen(
        command(out, "--contenders", *files), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as driver:
        before = list(itertools.takewhile(lambda line: "slow" not in line, driver.stdout))
        assert "ms per step" in before[-1]  # steady was measured, slow has begun
        driver.send_signal(signal_number)
        rest = driver.stdout.read()
    assert driver.returncode == 130
    assert "Interrupted; what was measured so far is kept." in rest
    record = json.loads(out.read_text())
    assert record["complete"] is False
    assert [it["contender"] for it in record["measurements"]] == ["steady"]
    assert [path.name for path in tmp_path.iterdir() if "results" in path.name] == ["results.json"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "results.json"
    write_record(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_record(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_folders_of_a_machine_are_not_recorded():
    text = 'python --mnist /data/some one/mnist.npz File "/usr/lib/a-b/x.py", line 3, 1/2 s'
    hidden = masked(text)
    assert hidden == 'python --mnist …/some one/mnist.npz File "…/x.py", line 3, 1/2 s'


def test_a_contender_sees_no_settings_of_the_caller(monkeypatch):
    for name in ("OMP_NUM_THREADS", "XLA_FLAGS", "TF_NUM_INTEROP_THREADS", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")
    found = clean_variables()
    assert not {"OMP_NUM_THREADS", "XLA_FLAGS", "TF_NUM_INTEROP_THREADS", "PYTHONPATH"} & set(found)
    assert "PATH" in found


def test_an_environment_is_made_once_and_again_when_its_requirements_change(tmp_path):
    requirements = tmp_path / "requirements-peer.txt"
    requirements.write_text("# nothing yet\n")
    python = made("peer", tmp_path / "made", tmp_path)
    marker = pathlib.Path(python).parents[1] / "marker"
    marker.touch()
    assert made("peer", tmp_path / "made", tmp_path) == python
    assert marker.exists()
    found = versions(python)
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "tensorflow" not in found["packages"]
    requirements.write_text("# something else\n")
    made("peer", tmp_path / "made", tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("environment", ["torch", "jax"])
def test_requirements_of_peers_are_pinned(environment):
    text = (ROOT / "benchmarks" / f"requirements-{environment}.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) >= 4
    assert all(line.count("==") == 1 for line in lines)


def test_the_times_of_predictions_are_written_as_the_chapter_reads_them(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "LAYERS", ("DenseFlipout",))
    monkeypatch.setattr(prediction, "WIDTHS", [5, 3])
    path = tmp_path / "prediction.json"
    sizes = ["--images", "33", "40", "--draws", "3", "--rounds", "2"]
    prediction.main([*sizes, "--out", str(path)])
    results = read_results(path)
    assert "--images 33 40" in results.command
    for num_images in (33, 40):
        setting = Setting(batch_size=num_images, num_draws=3)
        ratios = ratio_table(results, "one_pass", setting)
        assert set(ratios.index) == {"one_pass", "DenseFlipout", "DenseFlipout called"}
        assert set(ratios["rounds"]) == {2}


def test_variants_of_the_trainer_take_turns_and_are_put_together_again(tmp_path, monkeypatch):
    changed = [it.instead[:2] for it in without.VARIANTS.values() if it.instead]
    before = [getattr(*place) for place in changed]
    small = Work(width=5, batch_size=7)
    monkeypatch.setattr(without, "Work", lambda: small)
    names = ["book_trainer", "without_graph_loop", "without_fused_adam"]
    few = {name: without.VARIANTS[name] for name in names}
    monkeypatch.setattr(without, "VARIANTS", few)
    path = tmp_path / "pieces.json"
    sizes = ["--rounds", "2", "--bursts", "3", "--steps", "4", "--examples", "50"]
    without.main([*sizes, "--out", str(path)])
    table = ratio_table(read_results(path), "book_trainer", Setting(width=5, batch_size=7))
    assert sorted(table.index) == sorted(names)
    assert set(table["rounds"]) == {2}
    taken = json.loads(path.read_text())["measurements"]
    assert {len(it["ms"]) for it in taken} == {3}
    assert [getattr(*place) for place in changed] == before


def test_the_results_of_the_book_are_whole():
    if RESULTS.exists():  # a book without the chapter that shows them has none
        record = json.loads(RESULTS.read_text(encoding="utf-8"))
        assert record["complete"] is True
        assert record["rounds"] >= 3
        assert record["failures"] == []
