"""The rules of our sentences: those of the docs, docstrings and settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from proselint.checks import __register__ as checks
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

from gradiend_core.config.described import described
from gradiend_core.plugins.manager import Plugins
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "pages").rglob("*.md"))]
#: checks that code and formulas do not pass: straight quotes, and a name that is written twice
NOT_FOR_CODE = ("typography", "lexical_illusions")


def docstrings() -> Iterator[tuple[str, str]]:
    """The docstrings of the core and the plugins, with their file."""
    for folder in ("gradiend_core", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                    yield str(path.relative_to(ROOT)), ast.get_docstring(node) or ""


def settings() -> Iterator[tuple[str, str]]:
    """The sentences of settings, with their path."""
    for table in described(Plugins.discover().registry):
        for row in table.settings:
            yield row.path, row.about


def pages() -> Iterator[tuple[str, str]]:
    """The pages of the docs, with their file."""
    for path in PAGES:
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def sentences_of(page: str) -> list[str]:
    """The sentences of a page, without blocks, tables, headings and the targets of links."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)
    text = re.sub(r"^[|#].*$", "", text, flags=re.M)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    paragraphs = re.split(r"\n\s*\n|^\s*[-*] |^\d+\. ", text, flags=re.M)
    return [
        sentence
        for paragraph in paragraphs
        for sentence in re.split(r"(?<=[.!?:;])\s+(?=[A-Z*`(“])", " ".join(paragraph.split()))
        if sentence
    ]


def test_sentences_begin_with_what_they_are_about():
    """None begins with "Of", which only a reader who knows what is meant understands."""
    lines = [(path, line) for path, page in pages() for line in page.splitlines()]
    lines += [(path, sentence) for path, page in pages() for sentence in sentences_of(page)]
    lines += [*docstrings(), *settings()]
    assert [line for line in lines if line[1].startswith("Of ")] == []


def test_sentences_of_the_pages_are_short():
    """At most 45 words, code and numbers among them, which is a lot already."""
    sentences = [(path, sentence) for path, page in pages() for sentence in sentences_of(page)]
    assert [line for line in sentences if len(re.findall(r"\w+(?:['’]\w+)?", line[1])) > 45] == []


def test_a_linter_finds_no_fault():
    """proselint: clichés, weasel words, redundancy, needless variants, spelling and more."""
    CheckRegistry().register_many(checks)
    config = {**DEFAULT, "checks": {**DEFAULT["checks"], **dict.fromkeys(NOT_FOR_CODE, False)}}

    def faults_of(text: str) -> Iterator[str]:
        for fault in LintFile("text", text).lint(config):
            yield f"line {fault.pos[0]}: {fault.check_result.message}"

    assert list(faults_of("It is very unique at the end of the day."))
    texts = [*docstrings(), *settings()]
    texts += [(path, "\n".join(sentences_of(page))) for path, page in pages()]
    assert [(path, fault) for path, text in texts if text for fault in faults_of(text)] == []
