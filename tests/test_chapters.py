"""The chapter contract (CONTRIBUTING.md): every chapter keeps it, and every rule can turn red."""

import ast
import re

import nbformat
import pytest
from chapter_rules import (
    EVERY_CHAPTER,
    NUMBERED_CHAPTERS,
    Faults,
    shared_functions,
)
from chapter_text import ROOT, Chapter, chapters, parse

RULES = (*EVERY_CHAPTER, *NUMBERED_CHAPTERS)
BOOK_RULES = (shared_functions,)

SAMPLE = """---
kernelspec:
  name: python3
---

# The sample
% asked as: a model chapter, 3.5 stars

> What does a good chapter look like?

:::{note} Before you start
**You will be able to** tell.

**You need** [nothing](00-start.md).

**Time:** about 3 minutes to read.
:::

Imports for TensorFlow 2.20, and $0.5 + \\sigma$ in `0.25`.

```{code-cell} ipython3
import tf_keras

SEED = 0
tf_keras.utils.set_random_seed(SEED)
```

Then a claim, and a figure.

```{code-cell} ipython3
assert SEED == 0, "the seed is 0"
```

```{code-cell} ipython3
:tags: [remove-input]

say(f"The seed is {SEED:.2f}.")
```

```{code-cell} ipython3
---
mystnb:
  figure:
    name: fig-sample
    caption: How to read this picture from left to right.
---
plot_sample(SEED)
```

## Exercises

### Exercise: the first

:::{exercise}
:label: ex-first
Do it.
:::

```{code-cell} ipython3
answer = None
```

Check it:

```{code-cell} ipython3
check_answer(answer, 1.5)
```

:::{solution-start} ex-first
:class: dropdown
:::
So.
:::{solution-end}
:::

### Exercise: the second

:::{exercise}
:label: ex-second
Do it.
:::

```{code-cell} ipython3
answer = None
```

Check it:

```{code-cell} ipython3
check_answer(answer, 1.5)
```

:::{solution-start} ex-second
:class: dropdown
:::
So.
:::{solution-end}
:::

## The answer in one sentence

It is so.

## Takeaways

- One.
- Two.

## Where to go next

- [There](02-there.md).
"""

LONG_CELL = "```{code-cell} ipython3\n" + "seed = 1\n" * 31 + "```\n\nProse.\n"
GLUED = '```{code-cell} ipython3\nassert SEED == 0, "so"\n```\n\n' * 4
SPOILED = {
    "opens_with_question": ("> What does", "What does"),
    "says_what_it_takes": ("about 3 minutes", "about 30 minutes"),
    "is_seeded": ("SEED = 0\n", "SEED = None\n"),
    "has_short_cells": ("## Exercises", LONG_CELL + "## Exercises"),
    "has_prose_between": ("## Exercises", GLUED + "## Exercises"),
    "asserts_its_claims": (', "the seed is 0"', ""),
    "has_no_literal_results": ("Then a claim", "It is 3.25 nats, a claim"),
    "names_its_figures": ("    caption: How to read this picture from left to right.\n", ""),
    "avoids_wrong_keras": ("import tf_keras", "from tensorflow.keras import layers"),
    "has_no_magics": ("SEED = 0\n", "%pip install it\n"),
    "uses_known_tags": ("[remove-input]", "[raises-exception]"),
    "leaves_fetching_to_the_notebook": ("SEED = 0\n", "run(['pip', 'install', 'it'])\n"),
    "closes_well": ("## Takeaways", "## Summary"),
    "has_solved_exercises": ("check_answer(answer, 1.5)", "print(answer)"),
}


def test_the_sample_keeps_every_rule():
    sample = parse(SAMPLE)
    assert [fault for rule in RULES for fault in rule(sample)] == []


def test_every_rule_has_a_spoiled_sample():
    assert set(SPOILED) == {rule.__name__ for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_turns_red(rule):
    good, bad = SPOILED[rule.__name__]
    assert good in SAMPLE
    assert rule(parse(SAMPLE.replace(good, bad))) != []


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ("plot_sample(SEED)\n```\n\n## Ex", "names_its_figures"),
        (f"seed = '{'x' * 100}'\n```\n\n## Ex", "has_short_cells"),
        ("!ls\n```\n\n## Ex", "has_no_magics"),
        ("tf.keras.Sequential()\n```\n\n## Ex", "avoids_wrong_keras"),
        ('say(f"From {SEED} to " "3.25 nats.")\n```\n\n## Ex', "has_no_literal_results"),
    ],
)
def test_more_ways_to_break_a_rule(bad, rule):
    text = SAMPLE.replace("## Ex", "```{code-cell} ipython3\n" + bad, 1)
    assert {r.__name__: r for r in RULES}[rule](parse(text)) != []


def test_book_rules_turn_red():
    twice = "# A\n\n```{code-cell} ipython3\ndef f():\n    pass\n```\n"
    assert shared_functions([parse(twice, "01-a"), parse(twice, "02-b")])
    assert not shared_functions([parse(twice, "01-a"), parse("# B\n", "02-b")])
    methods = "# A\n\n```{{code-cell}} ipython3\nclass {}:\n    def call():\n        pass\n```\n"
    one, other = parse(methods.format("One"), "01-a"), parse(methods.format("Other"), "02-b")
    assert not shared_functions([one, other])


def cases() -> list:
    """Every rule with every chapter that it is for."""
    return [
        pytest.param(rule, chapter, id=f"{chapter.name}-{rule.__name__}")
        for chapter in chapters()
        for rule in (RULES if chapter.is_numbered else EVERY_CHAPTER)
    ]


@pytest.mark.parametrize(("rule", "chapter"), cases())
def test_chapter_keeps_the_contract(rule, chapter: Chapter):
    faults: Faults = rule(chapter)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("rule", BOOK_RULES, ids=lambda rule: rule.__name__)
def test_book_keeps_the_contract(rule):
    assert rule(chapters()) == []


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.name)
def test_notebook_holds_no_outputs(chapter: Chapter):
    notebook = nbformat.read(ROOT / "chapters" / f"{chapter.name}.ipynb", as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell for cell in cells if cell.outputs or cell.execution_count]


def names_in(code: str) -> set[str]:
    """All names that code reads, binds, passes or takes as an argument."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        for attribute in ("id", "arg", "attr", "name"):
            value = getattr(node, attribute, None)
            if isinstance(value, str):
                names.add(value)
    return names


def symbol_names(page: str) -> set[str]:
    """The variable names of the page of symbols (its third column)."""
    rows = re.findall(r"^\|(.*)\|[ ]*$", page, re.MULTILINE)
    cells = [re.split(r"(?<!\\)\|", row) for row in rows]
    return {name for row in cells if len(row) > 2 for name in re.findall(r"`(\w+)`", row[2])}


def test_every_symbol_is_a_name_in_the_code():
    wanted = symbol_names((ROOT / "chapters" / "symbols.md").read_text(encoding="utf-8"))
    used: set[str] = set()
    for path in (ROOT / "helpers").rglob("*.py"):
        used |= names_in(path.read_text(encoding="utf-8"))
    for chapter in chapters():
        for cell in chapter.cells:
            used |= names_in(cell.text)
    assert wanted
    assert wanted - used == set()


def test_symbols_are_read_from_the_third_column():
    page = "| Symbol | Meaning | Name |\n|---|---|---|\n| $w$ | of `x` | `weights` |\n"
    assert symbol_names(page) == {"weights"}
    assert names_in("def f(weights): return g(kl=1).elbo") >= {"weights", "kl", "elbo", "f"}


def glossary_terms(page: str) -> set[str]:
    """The terms that the glossary explains."""
    body = re.search(r"^:::\{glossary\}.*?\n(.*?)^:::", page, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^(\S.*)$", body[1], re.MULTILINE)) if body else set()


def terms_in(text: str) -> set[str]:
    """The terms that a text links to."""
    roles = re.findall(r"\{term\}`([^`]+)`", text)
    return {re.sub(r"^.*<(.+)>$", r"\1", role, flags=re.DOTALL).strip() for role in roles}


def test_every_glossary_term_is_used_by_a_chapter():
    page = (ROOT / "chapters" / "glossary.md").read_text(encoding="utf-8")
    used = {term.casefold() for chapter in chapters() for term in terms_in(chapter.text)}
    assert {term for term in glossary_terms(page) if term.casefold() not in used} == set()


def test_glossary_is_read():
    page = ":::{glossary}\nELBO\n  A {term}`bound`.\n\nprior\n  Before.\n:::\n"
    assert glossary_terms(page) == {"ELBO", "prior"}
    assert terms_in("{term}`ELBO` and {term}`priors <prior>`") == {"ELBO", "prior"}
