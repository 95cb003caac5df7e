"""What a built page must not do: each function takes a page and returns its faults."""

import gzip
import pathlib
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag

Faults = list[str]
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "embed": "src"}
LOADING |= {"audio": "src", "video": "src", "object": "data"}
QUIET_LINKS = {"canonical", "prev", "next", "index", "search", "author", "help"}
IN_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)")
IN_SCRIPT = re.compile(r"['\"](https?://[^'\"\s]+\.(?:m?js|css|json)(?:\?[^'\"]*)?)['\"]")
TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
LOG_LINE = re.compile(  # a page may show a warning's text, but not where a log put it
    r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|[IWEF]\d{4} \d\d:|(?:WARNING|INFO|ERROR):\w+:"
    r"|\S+:\d+: \w*Warning: )",
    re.MULTILINE,
)
RAW_TEX = re.compile(r"\\[(\[]|\\(?:frac|tfrac|sum|log|sigma|mu|mathrm|mathcal|begin)\b|\$\$")
COLAB = "https://colab.research.google.com/github/"


@dataclass(frozen=True)
class Page:
    """One HTML page: its place in the site, and its elements."""

    path: pathlib.PurePosixPath
    soup: BeautifulSoup

    @property
    def anchors(self) -> set[str]:
        """The names that a link can lead to."""
        named = {tag["id"] for tag in self.soup.find_all(id=True)}
        return named | {tag["name"] for tag in self.soup.find_all("a", attrs={"name": True})}

    @property
    def outputs(self) -> list[str]:
        """The texts that the page's cells put out."""
        return [
            tag.get_text() for tag in self.soup.select(".cell_output pre, .cell_output .output")
        ]

    @property
    def is_redirect(self) -> bool:
        """Whether the page only leads on to another one."""
        return self.soup.find("meta", attrs={"http-equiv": re.compile("refresh", re.I)}) is not None


def read(html: str, path: str = "chapters/page.html") -> Page:
    """Take a page apart."""
    return Page(pathlib.PurePosixPath(path), BeautifulSoup(html, "html.parser"))


def is_foreign(address: str) -> bool:
    """Whether an address leads to another host."""
    return address.startswith(("http://", "https://", "//"))


def requests_elsewhere(page: Page) -> Faults:
    """Return what the browser would fetch from other hosts while it shows the page."""
    found = [
        str(tag.get(attribute, ""))
        for name, attribute in LOADING.items()
        for tag in page.soup.find_all(name)
    ]
    links = page.soup.find_all("link")
    found += [str(tag.get("href")) for tag in links if not {*tag.get("rel", [])} & QUIET_LINKS]
    for tag in page.soup.find_all("script"):
        found += IN_SCRIPT.findall(tag.get_text())
    styles = [tag.get_text() for tag in page.soup.find_all("style")]
    found += IN_STYLE.findall(" ".join([*styles, *styled(page)]))
    return [f"{page.path} asks for {address}" for address in found if is_foreign(address)]


def styled(page: Page) -> list[str]:
    """Return the style attributes of a page."""
    return [str(tag["style"]) for tag in page.soup.find_all(style=True)]


def poor_alternatives(page: Page) -> Faults:
    """Return the images whose text alternative is missing or says nothing."""
    faults = []
    for image in page.soup.find_all("img"):
        alt = str(image.get("alt", "")).strip()
        computed = image.find_parent(class_="cell_output") or image.find_parent("figure")
        too_short = computed is not None and len(alt.split()) < 4
        link = image.find_parent("a")
        if image.get("alt") == "" and link is not None and link.get_text().strip():
            continue  # an ornament of a link that says in words where it leads
        if not alt or alt.startswith("<") or too_short or re.search(r"\.(png|svg)$", alt):
            faults.append(f"{page.path}: alt {alt!r} of {image.get('src')}")
    return faults


def incomplete_head(page: Page) -> Faults:
    """Return what is missing of language, title, one main heading, description."""
    root, title = page.soup.find("html"), page.soup.find("title")
    described = page.soup.find("meta", attrs={"name": "description", "content": True})
    headings = [h for h in page.soup.find_all("h1") if not h.find_parent(id="jb-print-docs-body")]
    checks = {
        "lang": isinstance(root, Tag) and bool(root.get("lang")),
        "title": title is not None and bool(title.get_text().strip()),
        "one h1": len(headings) == 1,
        "description": described is not None or page.path.parts[:1] != ("chapters",),
    }
    return [f"{page.path} lacks {name}" for name, there in checks.items() if not there]


def duplicate_ids(page: Page) -> Faults:
    """Return the names of places that a page gives twice."""
    counts = Counter(str(tag["id"]) for tag in page.soup.find_all(id=True))
    return [f"{page.path}: id {name!r} {n} times" for name, n in counts.items() if n > 1]


def unsized_images(page: Page) -> Faults:
    """Return the images whose size is not known before they come, so that the text jumps."""
    images = page.soup.find_all("img")
    bare = [image for image in images if not (image.get("width") and image.get("height"))]
    return [f"{page.path}: no width and height for {image.get('src')}" for image in bare]


def raw_formulas(page: Page) -> Faults:
    """Return TeX that stands in the text, where a formula should be."""
    soup = BeautifulSoup(str(page.soup), "html.parser")
    for tag in soup.find_all(["pre", "code", "script", "style", "math"]):
        tag.decompose()
    return [f"{page.path}: {found}" for found in RAW_TEX.findall(soup.get_text(" "))]


def hidden_controls(page: Page) -> Faults:
    """Return links and buttons inside the line that opens a fold: no keyboard reaches them."""
    inner = page.soup.select("summary a, summary button, summary input")
    return [f"{page.path}: {tag.get_text()!r} in a summary" for tag in inner]


def unnamed_headings(page: Page) -> Faults:
    """Return the headings of tables that say nothing."""
    heads = page.soup.find_all("th")
    empty = [th for th in heads if not th.get_text().strip() and not th.find(["img", "math"])]
    return [f"{page.path}: an empty heading in {th.find_parent('table')}"[:120] for th in empty]


def weight(site: pathlib.Path, page: Page) -> int:
    """Return the bytes of a page with all that it shows, compressed as hosts do."""
    loaded = {str(tag["src"]) for tag in page.soup.find_all(["script", "img"], src=True)}
    loaded |= {str(tag["href"]) for tag in page.soup.select("link[rel~=stylesheet]")}
    paths = [site / page.path, *(site / resolve(page.path, name) for name in loaded)]
    if page.soup.find("math"):
        paths.append(site / "_static" / "book-math.woff2")
    packed = (".webp", ".png", ".woff2")
    return sum(
        path.stat().st_size if path.suffix in packed else len(gzip.compress(path.read_bytes()))
        for path in paths
    )


def noise(page: Page) -> Faults:
    """Return the tracebacks and log lines among the outputs."""
    faults = [f"{page.path}: traceback" for text in page.outputs if TRACEBACK.search(text)]
    for text in page.outputs:
        faults += [f"{page.path}: log line {line!r}" for line in LOG_LINE.findall(text)[:1]]
    streams = page.soup.select(".output.stderr, .output.traceback")
    return faults + [f"{page.path}: an output on stderr" for _ in streams]


def dead_links(page: Page, anchors: dict[str, set[str]], exists: Callable[[str], bool]) -> Faults:
    """Return the links into the site that lead to no file or no anchor."""
    faults = []
    for tag in page.soup.find_all(href=True):
        address, _, anchor = str(tag["href"]).partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:|//", address):
            continue
        target = resolve(page.path, address)
        gone = address and not exists(target)
        lost = anchor and urllib.parse.unquote(anchor) not in anchors.get(target, {anchor})
        if gone or (lost and not str(tag["href"]).endswith("#")):
            faults.append(f"{page.path} links to {tag['href']}")
    return faults


def resolve(page: pathlib.PurePosixPath, address: str) -> str:
    """Return the file in the site that an address on a page means."""
    if not address:
        return page.as_posix()
    path = urllib.parse.unquote(address.split("?")[0])
    if path.startswith("/"):  # the 404 page: /NAME/ is where the host puts the site
        return "/".join(pathlib.PurePosixPath(path).parts[2:])
    parts: list[str] = []
    for part in (page.parent / path).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def wrong_colab_links(page: Page, base: str, notebooks: set[str]) -> Faults:
    """Return the Colab links that lead to no notebook of this repository."""
    links = [str(tag["href"]) for tag in page.soup.find_all("a", href=True)]
    colab = [link for link in links if link.startswith(COLAB)]
    wrong = [link for link in colab if link.split("#")[0].removeprefix(base) not in notebooks]
    name = page.path.with_suffix(".ipynb").as_posix()
    if name in notebooks and not any(link == base + name for link in colab):
        wrong.append(f"nothing to {name}")
    return [f"{page.path}: Colab link {link}" for link in wrong]


def unlinked_terms(page: Page) -> Faults:
    """Return the glossary terms that are no links."""
    terms = page.soup.select(".xref.std-term")
    lost = [term for term in terms if term.find_parent("a") is None]
    return [f"{page.path}: term {term.get_text()!r} leads nowhere" for term in lost]
