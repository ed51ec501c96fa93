"""The documentation holds together: what it links to is there, and its index has it all."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
import re
from urllib.parse import unquote, urlsplit

import pytest

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
INDEX = REPOSITORY / "docs" / "README.md"
PAGES = [
    README,
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
    *sorted((REPOSITORY / "addon").glob("*.md")),
]

_FENCED = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
_ATTRIBUTE = re.compile(r'\b(?:href|src|srcset)="([^"\s]+)"')
_HEADING = re.compile(r"^#+ (.*?) *$", re.MULTILINE)
_TEXT_OF_LINK = re.compile(r"\[([^]]*)]\([^)]*\)")


def _text(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCED.sub("", page.read_text("utf-8"))


def _links(page: Path) -> Iterator[str]:
    """Yield what a page links to and shows, as it is written, but for the web."""
    text = _CODE.sub("", _text(page))
    for link in chain(_LINK.findall(text), _ATTRIBUTE.findall(text)):
        if not urlsplit(link).scheme:
            yield link


def _target(page: Path, link: str) -> tuple[Path, str]:
    """Return the file that a link of a page leads to, and the anchor in it, if any."""
    parts = urlsplit(link)
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return file, unquote(parts.fragment)


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    found: Counter[str] = Counter()
    anchors = set()
    for heading in _HEADING.findall(_text(page)):
        words = _TEXT_OF_LINK.sub(r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchors.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
        found[anchor] += 1
    return anchors


def _fault(page: Path, link: str) -> str | None:
    """Return what is wrong with a link, or None."""
    file, anchor = _target(page, link)
    if not file.is_relative_to(REPOSITORY):
        return f"{link}: leads out of the repository"
    if not file.exists():
        return f"{link}: there is no {file.relative_to(REPOSITORY)}"
    if anchor and anchor not in _anchors(file):
        return f"{link}: {file.relative_to(REPOSITORY)} has no such heading"
    return None


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY))
)
def test_links_lead_somewhere(page: Path) -> None:
    """Each file, picture and heading that a page leads to is there."""
    faults = {fault for link in _links(page) if (fault := _fault(page, link))}
    assert faults == set()


def test_links_are_found(tmp_path: Path) -> None:
    """In text and in HTML, over the end of a line, and not in code, nor those to the web."""
    page = tmp_path / "page.md"
    page.write_text(
        "[One](one.md#there), ![two](two.png) and [one over\ntwo lines](three.md).\n"
        '<img src="four.png">\n'
        "`[no](link.md)`, [the web](https://example.com/)\n"
        "```yaml\n[no](link.md)\n```\n"
    )
    assert [*_links(page)] == ["one.md#there", "two.png", "three.md", "four.png"]


def test_headings_have_the_anchors_of_github(tmp_path: Path) -> None:
    """Without what is no letter, and counted where they are the same."""
    page = tmp_path / "page.md"
    page.write_text(
        "# AWS's kit, as JSON\n## `get_job_log`\n## [Users](users.md)\n## Users\n"
        "```sh\n# a comment\n```\n"
    )
    assert _anchors(page) == {"awss-kit-as-json", "get_job_log", "users", "users-1"}


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("docs/README.md#reference", None),
        ("docs/none.md", "there is no docs/none.md"),
        ("docs/README.md#none", "docs/README.md has no such heading"),
        ("#none", "README.md has no such heading"),
        ("../elsewhere.md", "leads out of the repository"),
    ],
)
def test_faults_are_told(link: str, fault: str | None) -> None:
    """Which link it is, and what is wrong with it."""
    assert _fault(README, link) == (fault and f"{link}: {fault}")


def test_index_has_every_page() -> None:
    """All that is documented is found from the index, and the index from the README."""
    linked = {_target(INDEX, link)[0] for link in _links(INDEX)}
    written = {path for path in INDEX.parent.iterdir() if path.is_file()}
    assert written - linked == {INDEX}
    assert INDEX in {_target(README, link)[0] for link in _links(README)}


def test_readme_is_a_beginning() -> None:
    """It opens with a picture, and has what one reads at once."""
    lines = README.read_text("utf-8").splitlines()
    assert [line for line in lines if line][1] == "<picture>"
    assert len(lines) < 300
