"""Draws what was measured, and writes it into docs/benchmarks.md."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
import os
from pathlib import Path
import platform
import re

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stack.paths import ROOT

from . import goals
from .results import Actor, Result, find, read

DOCS = ROOT / "docs"
PAGE = DOCS / "benchmarks.md"
PICTURES = DOCS / "benchmarks"
FIGURES = PICTURES / "figures.json"

_COLORS = {
    Actor.HOME_ASSISTANT: "#18bcf2",
    Actor.BARE: "#0b6e99",
    Actor.FLOOR: "#bbbbbb",
    Actor.FLOOR_NO_DELAY: "#777777",
    Actor.PEER: "#e07b39",
}
_MODES = {
    "latency": "as it is",
    "latency-fsync-10ms": "fsync takes 10 ms",
    "latency-rtt-80ms": "a round trip takes 80 ms",
}


def illustrate(results: Sequence[Result]) -> None:
    """Draw all pictures, and write tables and machine into the page."""
    PICTURES.mkdir(exist_ok=True)
    # The same figures make the same files.
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    _draw("latency.svg", 3, lambda axes: _latency(axes, results))
    _draw("growth.svg", 3, lambda axes: _growth(axes, results))
    page = PAGE.read_text()
    page = put_between_marks(page, "machine", machine())
    PAGE.write_text(put_between_marks(page, "figures", tables(results)))


def _draw(name: str, panels: int, draw: Callable[[list[Axes]], None]) -> None:
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    draw(list(figure.subplots(1, panels)))
    figure.savefig(PICTURES / name, metadata={"Date": None})


def _latency(axes: list[Axes], results: Sequence[Result]) -> None:
    """Draw a bar for each median, and a line to the 95th percentile."""
    for panel, (bench, title) in zip(axes, _MODES.items(), strict=True):
        measured = [
            (actor, middle, late)
            for actor in reversed(Actor)
            if (middle := find(results, bench, actor, "median_ms")) is not None
            and (late := find(results, bench, actor, "p95_ms")) is not None
        ]
        panel.barh(
            [actor for actor, _, _ in measured],
            [middle for _, middle, _ in measured],
            xerr=[[0] * len(measured), [late - middle for _, middle, late in measured]],
            color=[_COLORS[actor] for actor, _, _ in measured],
            error_kw={"ecolor": "#444444", "elinewidth": 1},
        )
        for row, (_, middle, late) in enumerate(measured):
            panel.annotate(
                f"{middle:.1f}",
                (late, row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        panel.margins(x=0.2)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("ms, median and 95th percentile")


def _growth(axes: list[Axes], results: Sequence[Result]) -> None:
    steps, things, output = axes
    _lines(steps, results, r"throughput-(\d+)-steps", "median_ms")
    steps.set(xscale="log", yscale="log", xlabel="steps of a job", ylabel="ms")
    _lines(things, results, r"scale-(\d+)-things", "rss_mib")
    things.set(xlabel="things in one process", ylabel="MiB resident", ylim=0)
    _lines(output, results, r"output-text-(\d+)-mb", "mb_per_s")
    output.set(xscale="log", xlabel="MB of text printed", ylabel="MB/s", ylim=0)


def _lines(axes: Axes, results: Sequence[Result], bench: str, metric: str) -> None:
    """Draw a line for each actor, through what the benches of a pattern have found."""
    for actor in Actor:
        points = sorted(
            (int(found[1]), result.value)
            for result in results
            if (result.actor, result.metric) == (actor, metric)
            and (found := re.fullmatch(bench, result.bench))
        )
        if points:
            axes.plot(
                *zip(*points, strict=True), "o-", label=actor, color=_COLORS[actor]
            )
    if axes.lines:
        axes.legend(fontsize=7)


def tables(results: Sequence[Result]) -> str:
    """Return all figures as tables of Markdown: the goals, and one table for each bench."""
    parts = [_markdown(goals.compared(results))]
    for bench in dict.fromkeys(result.bench for result in results):
        parts.extend((f"### {bench}", _markdown(_bench(bench, results))))
    return "\n\n".join(parts)


def _bench(bench: str, results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return a row for each figure and a column for each actor."""
    found = [result for result in results if result.bench == bench]
    actors = [actor for actor in Actor if any(each.actor is actor for each in found)]
    units = {result.metric: result.unit for result in found}
    return [
        ("figure", "unit", *actors),
        *(
            (f"`{metric}`", unit, *(_cell(found, actor, metric) for actor in actors))
            for metric, unit in units.items()
        ),
    ]


def _cell(results: Sequence[Result], actor: Actor, metric: str) -> str:
    """Return a value, and how many times the floor it is."""
    for result in results:
        if (result.actor, result.metric) == (actor, metric):
            value = f"{result.value:,.1f}" if result.value % 1 else f"{result.value:g}"
            return value if result.ratio is None else f"{value} ({result.ratio:.2f} x)"
    return ""


def _markdown(rows: Sequence[tuple[str, ...]]) -> str:
    heading, *others = rows
    lines = [heading, tuple("---" for _ in heading), *others]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Return what this machine is, in a sentence."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), "
        f"{memory:.0f} GiB, Linux {_release()}, Python {platform.python_version()}, "
        f"{_versions('homeassistant', 'awscrt')}."
    )


def _release() -> str:
    """Return the kernel's version, without what its builder calls it."""
    return ".".join(platform.release().split(".")[:2])


def _versions(*packages: str) -> str:
    return ", ".join(f"{package} {version(package)}" for package in packages)


def put_between_marks(page: str, name: str, text: str) -> str:
    """Replace what a page has between the two marks of a name."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}\n{end}{after}"


def illustrate_from(path: Path) -> None:
    """Keep the figures in a file of JSON beside the page, and draw them."""
    results = read(path)
    illustrate(results)
    if path.resolve() != FIGURES:
        FIGURES.write_bytes(path.read_bytes())
