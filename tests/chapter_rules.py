"""The chapter contract as functions: each takes a chapter and returns what breaks the rule.

The numbers C1, C2, ... are those of CONTRIBUTING.md.
"""

import ast
import re
from collections.abc import Iterable

from chapter_text import Block, Chapter

LONGEST_CELL = 30
LONGEST_LINE = 100
MOST_GLUED = 0.15
WORDS_A_MINUTE = 200
MINUTES_A_CELL = 0.4
CLOSING = ("Exercises", "The answer in one sentence", "Takeaways", "Where to go next")
TAGS = {"hide-input", "remove-input", "hide-output"}
NUMBER = r"v?\d+\.\d+(?:\.\d+)*"
VERSIONED = r"Python|TensorFlow(?: Probability)?|TFP|Keras|NumPy|Jupyter Book|versions?"
VERSIONS = re.compile(rf"\b(?:{VERSIONED})\s+{NUMBER}(?:(?:,|\s+and|\s+to|\s+or)\s+{NUMBER})*")
DECIMAL = re.compile(rf"(?<![\w.]){NUMBER}\b")

Faults = list[str]


def opens_with_question(chapter: Chapter) -> Faults:
    """C1: one title, then the reader's question as a quotation."""
    titles = re.findall(r"^# \S.*$", chapter.markdown, re.MULTILINE)
    if len(titles) != 1:
        return [f"C1: {len(titles)} titles of the first level"]
    after = chapter.text.split(titles[0], 1)[1].lstrip()
    return [] if after.startswith("> ") else ["C1: no quoted question below the title"]


def says_what_it_takes(chapter: Chapter) -> Faults:
    """C2: "Before you start" tells goal, needs and honest minutes."""
    note = re.search(r"^:::\{note\} Before you start\n(.*?)^:::", chapter.text, re.M | re.S)
    if not note:
        return ["C2: no note 'Before you start'"]
    keys = ("**You will be able to**", "**You need**", "**Time:**")
    starts = [part.strip() for part in note[1].split("\n\n")]
    faults = [
        f"C2: no paragraph {key}" for key in keys if not any(s.startswith(key) for s in starts)
    ]
    minutes = re.search(r"about (\d+) minutes", note[1])
    if not minutes:
        return [*faults, "C2: no 'about N minutes'"]
    expected = chapter.words / WORDS_A_MINUTE + MINUTES_A_CELL * len(chapter.cells)
    if not 0.6 * expected <= int(minutes[1]) <= 1.4 * expected:
        faults.append(f"C2: {minutes[1]} minutes, but its length asks for {expected:.0f}")
    return faults


def is_seeded(chapter: Chapter) -> Faults:
    """C3: the first code cell sets the seed of all randomness."""
    imports = chapter.cells[0].text if chapter.cells else ""
    needed = (r"^SEED = 0\b", r"^tf_keras\.utils\.set_random_seed\(SEED\)")
    missing = [line for line in needed if not re.search(line, imports, re.MULTILINE)]
    return [f"C3: the first code cell has no {line.strip('^')}" for line in missing]


def has_short_cells(chapter: Chapter) -> Faults:
    """C4: no cell above thirty lines, no line above a hundred letters."""
    lengths = [sum(1 for line in cell.text.splitlines() if line.strip()) for cell in chapter.cells]
    faults = [f"C4: a cell of {length} lines" for length in lengths if length > LONGEST_CELL]
    lines = [line for cell in chapter.cells for line in cell.text.splitlines()]
    return faults + [f"C4: a long line: {line}" for line in lines if len(line) > LONGEST_LINE]


def has_prose_between(chapter: Chapter) -> Faults:
    """C5: prose, or a computed sentence, between nearly all code cells."""
    pairs = zip(chapter.blocks, chapter.blocks[1:], strict=False)
    glued = [(a, b) for a, b in pairs if a.kind == b.kind == "code" and not (a.speaks or b.speaks)]
    allowed = max(1, MOST_GLUED * len(chapter.cells))
    return [f"C5: {len(glued)} cells follow a cell without prose"] if len(glued) > allowed else []


def parsed(cells: Iterable[Block]) -> list[ast.Module]:
    """Return the syntax trees of code cells."""
    return [ast.parse(cell.text) for cell in cells]


def asserts_its_claims(chapter: Chapter) -> Faults:
    """C6: claims are asserted, each with a sentence for whoever sees it fail."""
    nodes = [node for tree in parsed(chapter.cells) for node in ast.walk(tree)]
    claims = [node for node in nodes if isinstance(node, ast.Assert)]
    if not claims:
        return ["C6: no assert"]
    bare = [ast.unparse(claim) for claim in claims if claim.msg is None]
    return [f"C6: no sentence beside `{claim}`" for claim in bare]


def fixed_text(node: ast.expr) -> str:
    """Return what a string expression says before anything is computed into it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(fixed_text(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return fixed_text(node.left) + fixed_text(node.right)
    return ""


def said_by_code(chapter: Chapter) -> str:
    """Return the fixed parts of the sentences that code cells say, without formulas and code."""
    nodes = [node for tree in parsed(chapter.cells) for node in ast.walk(tree)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.args]
    said = [fixed_text(call.args[0]) for call in calls if ast.unparse(call.func) == "say"]
    return MATH_OR_CODE.sub("", "\n".join(said))


def has_no_literal_results(chapter: Chapter) -> Faults:
    """C7: decimal numbers in sentences are computed; versions of software may stand there."""
    sentences = VERSIONS.sub("", f"{chapter.prose}\n{said_by_code(chapter)}")
    return [f"C7: the literal number {it} in a sentence" for it in DECIMAL.findall(sentences)]


def closes_well(chapter: Chapter) -> Faults:
    """C8: exercises, the answer in one sentence, takeaways, where to go next; in this order."""
    titles = re.findall(r"^## (.+?)[ ]*$", chapter.text, re.MULTILINE)
    if tuple(titles[-len(CLOSING) :]) != CLOSING:
        return [f"C8: the last sections are not {', '.join(CLOSING)}"]
    faults = []
    if len(re.findall(r"^[-*] ", chapter.section("Takeaways"), re.MULTILINE)) < 2:
        faults.append("C8: fewer than two takeaways in a list")
    if not re.search(r"\]\([\w./#-]+\)", chapter.section("Where to go next")):
        faults.append("C8: no link in 'Where to go next'")
    return faults


def names_its_figures(chapter: Chapter) -> Faults:
    """C9: a cell that plots has a figure name and a caption, and the caption no decimals."""
    faults = []
    for cell in chapter.cells:
        last = cell.text.strip().splitlines()[-1:]
        figure = (cell.options.get("mystnb") or {}).get("figure") or {}
        name, caption = figure.get("name", ""), figure.get("caption", "")
        if not figure:
            body = ast.parse(cell.text).body
            plots = body and re.match(r"(?:[\w.]+\.)?plot_\w+\(", ast.unparse(body[-1]))
            faults += [f"C9: {last} has no figure name and caption"] if plots else []
        elif not re.fullmatch(r"fig-[a-z0-9-]+", name) or len(caption) < 20:
            faults.append(f"C9: figure {name!r} needs a name fig-... and a caption that helps")
        elif DECIMAL.search(MATH_OR_CODE.sub("", caption)):
            faults.append(f"C9: a literal number in the caption of {name}")
    return faults


MATH_OR_CODE = re.compile(r"\$[^$]*\$|`[^`]*`")


def avoids_wrong_keras(chapter: Chapter) -> Faults:
    """C10: tf_keras throughout; only pages about Keras and its errors show what tf.keras does."""
    if chapter.name.startswith(("06-", "16-", "17-", "21-")):
        return []
    wrong = r"\btf\.keras\b|^\s*import keras\b|^\s*from keras\b|tensorflow\.keras"
    found = [re.search(wrong, cell.text, re.MULTILINE) for cell in chapter.cells]
    return [f"C10: {match[0].strip()} in a code cell" for match in found if match]


def has_no_magics(chapter: Chapter) -> Faults:
    """C11: plain Python: nothing for IPython or the shell."""
    found = [re.findall(r"^\s*[!%]\S+", cell.text, re.MULTILINE) for cell in chapter.cells]
    return [f"C11: {line.strip()}" for lines in found for line in lines]


def uses_known_tags(chapter: Chapter) -> Faults:
    """C12: only tags that the site and Colab both know."""
    return [f"C12: tag {tag}" for cell in chapter.cells for tag in cell.tags if tag not in TAGS]


def has_solved_exercises(chapter: Chapter) -> Faults:
    """C13: two or three exercises, each with a stub, a check cell and a solution."""
    part = chapter.section("Exercises")
    pieces = re.split(r"^### Exercise: ", part, flags=re.MULTILINE)[1:]
    faults = [] if 2 <= len(pieces) <= 3 else [f"C13: {len(pieces)} exercises"]
    for piece in pieces:
        title = piece.splitlines()[0]
        label = re.search(r"^:label: (ex-[\w-]+)", piece, re.MULTILINE)
        start = re.search(r"^:{3,}\{solution-start\} (\S+)", piece, re.MULTILINE)
        if not label or not start or label[1] != start[1] or "{solution-end}" not in piece:
            faults.append(f"C13: {title!r} has no exercise with a label and its solution")
        else:
            faults += check_cells(title, piece[: start.start()])
    return faults


def check_cells(title: str, before_solution: str) -> Faults:
    """Return what is missing between an exercise and its solution: a stub, a check."""
    cells = parse_cells(before_solution)
    if len(cells) < 2:
        return [f"C13: {title!r} has no stub and check cell"]
    checks = any(re.search(r"\bcheck\w*\(|^assert ", cell, re.MULTILINE) for cell in cells[1:])
    return [] if checks else [f"C13: {title!r} has no check cell"]


def parse_cells(text: str) -> list[str]:
    """Return the code cells of a piece of a chapter."""
    return re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def functions_of(chapter: Chapter) -> set[str]:
    """Return the names of the functions and classes that a chapter defines, methods left out."""
    nodes = [node for tree in parsed(chapter.cells) for node in ast.walk(tree)]
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    methods = {id(method) for node in classes for method in node.body}
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for node in nodes if isinstance(node, kinds) and id(node) not in methods}


def shared_functions(book: Iterable[Chapter]) -> Faults:
    """C14: a function that two chapters need belongs to helpers."""
    owners: dict[str, list[str]] = {}
    for chapter in book:
        for name in functions_of(chapter):
            owners.setdefault(name, []).append(chapter.name)
    return [f"C14: {name} is defined in {where}" for name, where in owners.items() if where[1:]]


def leaves_fetching_to_the_notebook(chapter: Chapter) -> Faults:
    """C15: the generator writes the cell that fetches the book on Colab; no chapter does."""
    found = [re.search(r"google\.colab|git\+https|\bpip\b", cell.text) for cell in chapter.cells]
    return [f"C15: {match[0]} in a code cell" for match in found if match]


EVERY_CHAPTER = (
    opens_with_question,
    is_seeded,
    has_short_cells,
    has_prose_between,
    asserts_its_claims,
    has_no_literal_results,
    names_its_figures,
    avoids_wrong_keras,
    has_no_magics,
    uses_known_tags,
    leaves_fetching_to_the_notebook,
)
NUMBERED_CHAPTERS = (says_what_it_takes, closes_well, has_solved_exercises)
