"""Reading the benchmark's results: medians and paired ratios by NumPy, malformed files refused."""

import copy
import json
import re

import numpy as np
import pytest

from helpers.page.benchmark_results import (
    RESULTS,
    Setting,
    cost_table,
    parse_results,
    ratio_table,
    read_results,
    rounds_table,
)

WORK = {"network": "dense", "width": 7, "batch_size": 3, "num_draws": 2}
SETTING = Setting("dense", 7, 3, 2)
KINDS = {"fast": "book", "usual": "tfp", "other": "peer", "floor": "bound"}
# Wall milliseconds per step, [rounds][repeats]; "other" failed in the last round.
TIMES = {
    "fast": [[2.0, 2.2, 9.0], [3.0, 3.0, 2.9], [2.0, 1.0, 2.0], [5.0, 4.0, 4.5]],
    "usual": [[5.0, 4.4, 4.0], [9.0, 9.3, 9.3], [6.0, 6.0, 6.0], [9.0, 9.9, 9.0]],
    "other": [[8.0, 8.0, 7.0], [7.0, 7.8, 8.0], [5.0, 5.0, 5.0]],
    "floor": [[1.0, 1.0, 1.0], [2.0, 1.0, 2.0], [1.5, 1.5, 1.5], [1.0, 3.0, 2.0]],
}


def measurement(name, number, times, work=WORK):
    return {
        "contender": name,
        "work": work,
        "round": number,
        "ms": times,
        "cpu_ms": [2 * it for it in times],
        "compile_seconds": 1.0 + number,
        "peak_mebibytes": 100.0 * (1 + number),
        "data_mebibytes": 50.0,
    }


@pytest.fixture
def record():
    """A made-up record, with one measurement in another setting."""
    taken = [measurement(name, k, it) for name, all_ in TIMES.items() for k, it in enumerate(all_)]
    return {
        "format": 1,
        "command": "python benchmarks/compare.py --seed 5",
        "date": "2026-11-22T12:00:00+00:00",
        "commit": "abc",
        "cores": 2,
        "data": "MNIST",
        "seed": 5,
        "environments": {"book": {"python": "3.13.1", "packages": {"numpy": "2.1.3"}}},
        "contenders": {name: {"title": name.upper(), "kind": it} for name, it in KINDS.items()},
        "measurements": [*taken, measurement("fast", 0, [77.0], WORK | {"num_draws": 5})],
    }


def medians(name):
    return np.array([np.median(times) for times in TIMES[name]])


def test_costs_are_medians_over_rounds_of_medians_over_repeats(record):
    table = cost_table(parse_results(record), SETTING)
    assert list(table.index) == sorted(TIMES, key=lambda name: np.median(medians(name)))
    for name in TIMES:
        np.testing.assert_allclose(table.loc[name, "ms"], np.median(medians(name)))
        np.testing.assert_allclose(table.loc[name, "cpu_ms"], 2 * np.median(medians(name)))
        assert table.loc[name, ["title", "kind"]].tolist() == [name.upper(), KINDS[name]]
    assert table.loc["fast", "compile_seconds"] == 2.5
    assert table.loc["other", "peak_mebibytes"] == 200.0


@pytest.mark.parametrize("base", ["fast", "floor"])
def test_ratios_compare_within_a_round(record, base):
    table = ratio_table(parse_results(record), base, SETTING)
    for name in TIMES:
        rounds = min(len(TIMES[name]), len(TIMES[base]))
        expected = medians(name)[:rounds] / medians(base)[:rounds]
        row = table.loc[name]
        np.testing.assert_allclose(row["ratio"], np.median(expected))
        np.testing.assert_allclose([row["lowest"], row["highest"]], np.quantile(expected, [0, 1]))
        assert row["rounds"] == rounds
    assert table.loc[base, ["ratio", "lowest", "highest"]].tolist() == [1.0, 1.0, 1.0]


def test_a_paired_ratio_is_not_the_ratio_of_medians(record):
    table = ratio_table(parse_results(record), "fast", SETTING)
    unpaired = np.median(medians("usual")) / np.median(medians("fast"))
    assert abs(table.loc["usual", "ratio"] - unpaired) > 0.05


def test_a_contender_that_shares_no_round_with_the_base_has_no_ratio(record):
    kept = [it for it in record["measurements"] if it["contender"] != "other" or it["round"] == 0]
    record["measurements"] = [
        it for it in kept if it["contender"] != "fast" or it["round"] > 0 or it["work"] != WORK
    ]
    assert "other" not in ratio_table(parse_results(record), "fast", SETTING).index


def test_a_setting_or_base_that_was_not_measured_is_refused(record):
    results = parse_results(record)
    with pytest.raises(ValueError, match=r"LeNet-5, batch 3.*only for: 784-7-7-10"):
        rounds_table(results, Setting("lenet5", 7, 3, 2))
    with pytest.raises(ValueError, match=r"usual was not measured .* choose one of fast"):
        ratio_table(results, "usual", Setting("dense", 7, 3, 5))


def test_a_file_gives_the_same_as_the_record_in_memory(record, tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(record))
    results = read_results(file)
    assert results == parse_results(record)
    assert (results.cores, results.data, results.versions) == (2, "MNIST", {"numpy": "2.1.3"})
    assert (results.command, results.seed) == ("python benchmarks/compare.py --seed 5", 5)


SPOILED = {
    "no measurements": (["measurements"], None, "lack 'measurements'"),
    "another format": (["format"], 0, "not of format 1"),
    "cores as text": (["cores"], "2", "'cores' of the results is '2', not of type int"),
    "no width": (["measurements", 2, "work", "width"], None, "lack 'width'"),
    "no times": (["measurements", 1, "ms"], [], "'ms' of the results holds"),
    "a negative time": (["measurements", 1, "ms"], [2.0, -1.0], "no positive numbers"),
    "times as text": (["measurements", 0, "cpu_ms"], ["2"], "no positive numbers"),
    "no peak": (["measurements", 0, "peak_mebibytes"], None, "lack 'peak_mebibytes'"),
    "an unknown contender": (["measurements", 3, "contender"], "who", "not one of fast"),
    "an unknown kind": (["contenders", "fast", "kind"], "good", "not one of book"),
    "packages as a list": (["environments", "book", "packages"], [], "not of type dict"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_malformed_record_is_refused(record, name):
    (*path, last), value, message = SPOILED[name]
    spoiled = copy.deepcopy(record)
    holder = spoiled
    for step in path:
        holder = holder[step]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    with pytest.raises(ValueError, match=message) as caught:
        parse_results(spoiled)
    assert "benchmarks/compare.py" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_file_that_holds_no_record_is_refused(tmp_path, text):
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"benchmarks/compare\.py"):
        read_results(file)


def test_the_results_lie_among_the_helpers_which_a_chapter_finds_wherever_it_runs():
    import helpers

    assert RESULTS.parents[1].samefile(helpers.__path__[0])


def test_the_door_of_the_engine_room_tells_what_was_measured():
    """The factors in the docstring of `helpers.draws` are those of the result file."""
    import helpers.draws

    pieces = read_results(RESULTS.with_name("pieces.json"))
    flipout = ratio_table(pieces, "book_trainer")["ratio"]
    one_kernel = ratio_table(pieces, "book_trainer_reparameterization")["ratio"]
    measured = [
        flipout["without_vector_normals"],
        flipout["without_vector_softplus"],
        one_kernel["without_kept_scales"],
    ]
    told = re.findall(r"\b1\.\d\d(?= times)", " ".join(helpers.draws.__doc__.split()))
    assert [float(it) for it in told] == [round(it, 2) for it in measured]
