"""The check-up: no alarm on healthy networks, the right one on each trap, nothing changed."""

import ast
import pathlib
import random
import re

import numpy as np
import pytest
import tensorflow as tf
from chapter_text import ROOT
from checkup_zoo import (
    HEALTHY,
    INPUTS,
    LABELS,
    SICK,
    UNMEASURED,
    USUAL,
    N,
    classifier,
    compiled,
)
from fixtures.tiny_book import TinyBook

from helpers.checkup import Finding, Report, checkup
from helpers.checkup.kinds import PAGES, SITE, link_to
from helpers.checkup.measure.source_code import HELPERS

EXACT = 1e-3
CHECKUP = ROOT / "helpers/checkup"
MODULES = sorted(path for path in CHECKUP.rglob("*.py") if path.name != "__init__.py")


def examine(case):
    patient = case.make()
    report = checkup(
        patient.network,
        patient.inputs,
        patient.targets,
        num_examples=patient.num_examples,
        loss=patient.loss,
        batch_size=patient.batch_size,
    )
    return patient, report


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_network_raises_no_alarm(name):
    _, report = examine(HEALTHY[name])
    assert report.ok, str(report)
    assert report.kinds() - USUAL == HEALTHY[name].notes, str(report)


@pytest.mark.parametrize("name", UNMEASURED)
def test_what_was_not_measured_is_not_ok(name):
    _, report = examine(UNMEASURED[name])
    assert not report.alarms, str(report)
    assert not report.ok
    assert report.unchecked
    assert report.headline().startswith("Not checked")
    assert report.kinds() - USUAL == UNMEASURED[name].notes, str(report)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SICK)
def test_trap_is_named(name):
    case = SICK[name]
    _, report = examine(case)
    assert {finding.kind for finding in report.alarms} == case.alarms, str(report)
    assert {finding.kind for finding in report.notes} - USUAL == case.notes, str(report)
    (alarm,) = report.alarms
    if case.layer is not None:
        assert alarm.layer == case.layer
    if case.value is not None:
        assert alarm.value == pytest.approx(case.value, rel=EXACT, abs=1e-12)


def state(network):
    """Everything that a reader could see change."""
    variables = [*network.variables, *network.optimizer.variables]
    values = [variable.numpy().tobytes() for variable in variables]
    losses = [float(entry) for entry in network.losses]
    numpy = np.random.get_state()[1].tobytes()  # noqa: NPY002 (the reader's own)
    return values, losses, random.getstate(), numpy


def fitted():
    network = compiled(classifier())
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)
    network(INPUTS[:2])
    return network


def failing(inputs, labels):
    """An objective that fails at its third evaluation."""
    failing.calls += 1
    if failing.calls > 3:
        raise RuntimeError("half way")
    return tf.reduce_mean(failing.network(inputs)) + sum(failing.network.losses)


@pytest.mark.parametrize("loss", [None, failing], ids=["sound", "failing"])
def test_nothing_is_touched(loss):
    network = fitted()
    failing.calls, failing.network = 0, network
    before = state(network)
    tf.random.set_seed(5)
    expected = tf.random.normal([3]).numpy(), tf.random.normal([3]).numpy()
    tf.random.set_seed(5)
    first = tf.random.normal([3]).numpy()
    checkup(network, INPUTS, LABELS, N, loss)
    assert state(network) == before
    assert np.array_equal((first, tf.random.normal([3]).numpy()), expected)
    assert not tf.config.functions_run_eagerly()
    network.fit(INPUTS, LABELS, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"num_examples": 0}, ValueError, "num_examples is 0"),
        ({"batch_size": -1}, ValueError, "batch_size is -1"),
        ({"inputs": INPUTS[:0], "targets": LABELS[:0]}, ValueError, "at least one"),
        ({"targets": LABELS[:3]}, ValueError, "the same number"),
        ({"network": print}, TypeError, "tf_keras model"),
    ],
)
def test_misuse_is_explained(arguments, error, words):
    given = {"network": classifier(), "inputs": INPUTS, "targets": LABELS, **arguments}
    with pytest.raises(error, match=re.escape(words)):
        checkup(**given)


def sample():
    """A report with every verdict and awkward characters."""
    return Report(
        [
            Finding(kind="kl-weight", verdict="right", message="Fine & <good>.", layer="a"),
            Finding(
                kind="kl-missing",
                verdict="wrong",
                message="Long words. " * 30,
                layer="b, c",
                value=0.0,
                expected=0.1,
                cure="Do <it>.",
            ),
            Finding(kind="twin-layers", verdict="look", message="Same."),
        ],
        "Checked: this.",
    )


def test_report_is_sorted_and_counts():
    report = sample()
    assert [finding.verdict for finding in report.findings] == ["wrong", "look", "right"]
    assert not report.ok
    assert report.kinds() == {"kl-missing", "twin-layers"}
    assert list(report.table()["kind"]) == ["kl-missing", "twin-layers", "kl-weight"]
    assert "1 thing wrong, 1 thing to look at, 1 right" in report.headline()


FINE = Finding(kind="kl-weight", verdict="right", message="Fine.")
BLUR = Finding(kind="not-checked", verdict="unknown", message="Blurred.")


@pytest.mark.parametrize(
    ("report", "ok", "words"),
    [
        (Report([FINE], checked=["the weight"]), True, "Nothing wrong was found"),
        (Report([FINE]), False, "Not checked: nothing that matters"),
        (Report([]), False, "Not checked: nothing that matters"),
        (Report([FINE], checked=["a"], unchecked=["b: why"]), False, "Not checked: 1 of"),
        (Report([FINE, BLUR], checked=["a"]), False, "Not checked: 1 of"),
        (Report([BLUR]), False, "Not checked"),
    ],
)
def test_ok_needs_what_matters_measured(report, ok, words):
    assert report.ok is ok
    assert report.headline().startswith(words)
    assert all(text in str(report) for text in [*report.checked, *report.unchecked])
    assert all(text in report._repr_html_() for text in [*report.checked, *report.unchecked])


def test_report_fits_a_terminal_and_a_notebook():
    report = sample()
    lines = [line for line in str(report).splitlines() if "http" not in line]
    assert max(map(len, lines)) <= 80
    page = report._repr_html_()
    assert "&lt;good&gt;" in page
    assert "<it>" not in page
    assert page == sample()._repr_html_()


def test_report_of_a_network_is_the_same_twice():
    network = compiled(classifier())
    network(INPUTS[:1])
    first, second = (str(checkup(network, INPUTS, LABELS, N)) for _ in range(2))
    assert first == second


def test_nothing_is_printed(capfd):
    examine(HEALTHY["sequential_flipout"])
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def slug(heading):
    """The anchor of a heading, as on the site."""
    text = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return re.sub(r" ", "-", text)


def missing_targets(pages):
    """The pages and anchors that do not exist."""
    missing = []
    for target in pages:
        page, _, anchor = target.partition("#")
        path = ROOT / "chapters" / f"{page}.md"
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M) if path.exists() else []
        if not path.exists() or (anchor and anchor not in map(slug, headings)):
            missing.append(target)
    return missing


def test_every_link_leads_somewhere():
    assert missing_targets(["18-check-up#no-such-heading", "99-none"]) != []
    assert missing_targets(PAGES.values()) == []
    assert link_to("kl-missing").startswith(SITE)
    assert link_to("cannot-run").endswith("/chapters/21-error-index.html")


def test_unknown_kind_is_an_error():
    with pytest.raises(KeyError, match="add it to the table PAGES"):
        link_to("unheard-of")
    with pytest.raises(KeyError, match="add it to the table PAGES"):
        Finding(kind="unheard-of", verdict="wrong", message="It has no page.")
    with pytest.raises(TypeError, match="positional"):
        Finding("kl-weight", "right", "Fields have names.")


def kinds_given(source):
    """The kinds that code gives to findings, "" for one that is not written out."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = [k.value for k in node.keywords if k.arg == "kind"]
            if name == "Finding" and not given:
                found.add("")
            if name in ("Finding", "replace"):
                found |= {getattr(value, "value", "") for value in given}
    return found


def test_table_holds_the_kinds_that_are_used():
    assert kinds_given("Finding(kind='a', verdict='b')\nreplace(x, kind='c')") == {"a", "c"}
    assert kinds_given("Finding(kind=name)\nObjective(kind='own')") == {""}
    assert kinds_given("Finding('a', 'look')\nreplace(x, layer='b')") == {""}
    used = set().union(*(kinds_given(path.read_text()) for path in MODULES))
    assert used == set(PAGES)


def imported(path):
    """The modules of the check-up that one imports, named from its folder, as "judge.kl_ratio"."""
    names = set()
    place = path.relative_to(CHECKUP).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and 0 < node.level <= len(place) + 1:
            base = place[: len(place) + 1 - node.level]
            names.add(".".join([*base, *filter(None, [node.module])]))
    return names


def wrong_ways(path, names):
    """The imports that lead back: from what is measured or told to those who read it."""
    part = path.relative_to(CHECKUP).parts[0]
    allowed = {
        "measure": {"measure"},
        "judge": {"judge", "measure", "report"},
        "kinds.py": set(),
        "report.py": {"kinds"},
        "examine.py": {"judge", "measure", "report"},
        "run.py": {"examine", "judge", "measure", "report"},
    }
    return {name for name in names if name.split(".")[0] not in allowed[part]}


def test_imports_go_one_way():
    measuring = CHECKUP / "measure/case.py"
    assert wrong_ways(measuring, {"judge.collapse", "measure.batch"}) == {"judge.collapse"}
    assert wrong_ways(measuring, {"report", "kinds"}) == {"report", "kinds"}
    assert "measure.case" in imported(CHECKUP / "judge/collapse.py")
    for path in MODULES:
        assert wrong_ways(path, imported(path)) == set(), path


def shared_names(paths):
    """The names that two modules have, where the figures of a subject may be called after it."""
    names = [path.stem for path in paths if "figures" not in path.parts and path.stem[0] != "_"]
    return {name for name in names if names.count(name) > 1}


def test_no_two_modules_share_a_name():
    paths = [pathlib.Path(p) for p in ("losses/kl.py", "checkup/kl.py", "figures/a.py", "b/a.py")]
    assert shared_names(paths) == {"kl"}
    modules = {path.stem for path in MODULES}
    assert shared_names((ROOT / "helpers").rglob("*.py")) & modules == set()


def test_optimizers_of_the_helpers_are_known_by_their_folder():
    assert HELPERS == ROOT / "helpers"


def test_links_move_with_the_book(tmp_path):
    from tools import address

    book = TinyBook(tmp_path / "book")
    source = (ROOT / "helpers/checkup/kinds.py").read_text()
    placed = book.root / "helpers/checkup/kinds.py"
    placed.parent.mkdir(parents=True)
    placed.write_text(
        re.sub(r'SITE = ".*"', 'SITE = "https://your_account.github.io/tiny-book/"', source)
    )
    book.write("CITATION.cff", "repository-code: https://github.com/your_account/tiny-book\n")
    settings = book.root / "_config.yml"
    settings.write_text(settings.read_text().replace("your_account/tiny-book", "Ada/kl"))
    assert address.main(["--root", str(book.root)]) == 0
    assert 'SITE = "https://ada.github.io/kl/"' in placed.read_text()


def test_zoo_is_complete():
    assert len(HEALTHY) > 25
    assert {kind for case in SICK.values() for kind in case.alarms} <= set(PAGES)
