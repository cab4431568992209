"""docs/reference/metrics.md: every figure of /metrics, read from the source, wherever it is made."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

CONTROLLER = Path(__file__).parents[2] / "controller"
_KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "Summary": "summary"}

_TOP = """\
# Metrics

<!-- Written by docs/generate.py from the source: change the figures there, then `make docs`. -->

`/metrics` on the API's address, Prometheus text. Who may ask and how to scrape:
[monitoring](../operations/monitoring.md). A counter's name ends in `_total`; a histogram has `_bucket`, `_sum` and
`_count`.

| name | kind | labels | what |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric as it is declared."""

    name: str
    kind: str
    labels: tuple[str, ...]
    what: str


def markdown() -> str:
    """The whole page."""
    declared = sorted((each for file in sorted(CONTROLLER.rglob("*.py")) for each in declared_in(file)), key=_by_name)
    rows = "".join(_row(each) for each in (*declared, *_of_the_library()))
    return _TOP + rows


def declared_in(file: Path) -> Iterator[Figure]:
    """The figures that a source file makes: `Counter("name", "what", ("label", …), …)`.

    Raises ValueError for one whose name or text is no literal: this page could not know it.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = {name: _KINDS[name] for name in _imported(tree) if name in _KINDS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds:
            yield _figure(node, kinds[node.func.id])


def _imported(tree: ast.Module) -> set[str]:
    """Names from prometheus_client: the standard library has a Counter, too."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {each.name for node in imports if node.module == "prometheus_client" for each in node.names}


def _figure(call: ast.Call, kind: str) -> Figure:
    name, what, labels = (*(ast.literal_eval(each) for each in call.args), ())[:3]
    return Figure(f"{name}_total" if kind == "counter" else name, kind, tuple(labels), what)


def _of_the_library() -> Iterator[Figure]:
    """What prometheus-client itself tells about the process, on the platform where the page is written."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    for family in sorted(registry.collect(), key=lambda family: family.name):
        labels = tuple(sorted({label for sample in family.samples for label in sample.labels}))
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield Figure(name, family.type, labels, family.documentation.rstrip("."))


def _by_name(figure: Figure) -> str:
    return figure.name


def _row(figure: Figure) -> str:
    labels = ", ".join(f"`{label}`" for label in figure.labels)
    return f"| `{figure.name}` | {figure.kind} | {labels} | {figure.what} |\n".replace("|  |", "| |")
