"""Strict typing, as far as a reader of the code sees it and mypy does not ask for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from custom_components import aws_iot_jobs

ROOT = Path(aws_iot_jobs.__file__).parent
ENTRY = "AwsIotJobsConfigEntry"
ENTRY_NAMES = {"entry", "config_entry", "_entry"}
BELOW = ("aws_iot", "jobs", "runner")
"""What knows no Home Assistant."""

MODULES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] not in BELOW
]


def _annotations(tree: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield what can have an annotation, by its name, with the annotation."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"return of {node.name}", node.returns
        elif isinstance(node, ast.AnnAssign):
            yield ast.unparse(node.target).rpartition(".")[2], node.annotation


def _names(annotation: ast.expr | None) -> set[str]:
    if annotation is None:
        return set()
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(ROOT).with_suffix(""))
)
def test_entries_say_what_their_data_is(path: Path) -> None:
    """An entry is one of ours: what its runtime data has is known to mypy."""
    for name, annotation in _annotations(ast.parse(path.read_text())):
        names = _names(annotation)
        assert "ConfigEntry" not in names, name
        if name in ENTRY_NAMES and annotation is not None:
            assert ENTRY in names, name


def test_there_is_one_kind_of_entry() -> None:
    """The type is defined once, where the runtime data is."""
    defined = [
        path.name
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.TypeAlias) and node.name.id == ENTRY
    ]
    assert defined == ["coordinator.py"]
    assert {path.name for path in MODULES} >= {"__init__.py", "repairs.py", "watch.py"}
