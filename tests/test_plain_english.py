"""Code and pages are written as a good textbook is: without the turns listed here."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("skcrit", "doc", "examples", "benchmarks", "tests")
BUILT = {"_build", "auto_examples", "generated"}

# Patterns, and what to write instead.
TURNS = {
    r"\b[Tt]ell(s|ing)?\b|\b[Tt]old\b": "show, define, state, distinguish",
    r"\b[Nn]obody\b|\b[Nn]oone\b": "the passive voice",
    r"\bof no use\b|\bno good\b|\bwithout effect\b": "useless, rejected, no effect",
    r"\bg[ia]ven? up\b|\bgiv(es|ing) up\b": "abandon",
    r"\btake note\b|\bTake note\b": "record, register",
    r"\bg[eo]ts? on\b|\bon and on\b": "progress, further and further",
    r"(?<!there )(?<!There )\b(is|are|was|were) none\b(?! of)": "is not, are not",
    r"(?<!there )(?<!There )\b(is|are) no (sample|step|point|part|good|critical)\b": (
        "is not a"
    ),
    r"(^|\. )Where (a|an|the|it|they|this|nothing|there|no|all) [^.?:]*, [^:]*?\.": (
        "If"
    ),
}


def spans(text):
    """List the lines of docstrings, and comments with their lines."""
    for node in ast.walk(ast.parse(text)):
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        doc = ast.get_docstring(node) if isinstance(node, kinds) else None
        if doc:
            yield from re.split(r"\n\s*\n", doc)
    block, last = [], -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                yield " ".join(block)
                block = []
            block.append(token.string.lstrip("# "))
            last = token.start[0]
    yield " ".join(block)


def paragraphs(path):
    """List what people read in a file, a paragraph on one line each."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        parts = spans(text)
    else:
        parts = re.split(r"\n\s*\n", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [" ".join(part.split()) for part in parts]


def files():
    """List the modules, pages and examples."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT).parts
            if path.suffix not in {".py", ".md", ".rst"} or BUILT & set(inside):
                continue
            # This file names what it looks for.
            if path != Path(__file__).resolve():
                found.append(path)
    return found


def turns_in(text):
    """List the turns of a text, with their surroundings."""
    return [
        (text[max(0, match.start() - 30) : match.end() + 30], instead)
        for pattern, instead in TURNS.items()
        for match in re.finditer(pattern, text)
    ]


def test_no_file_has_these_turns():
    assert len(files()) > 250
    found = {
        path.relative_to(ROOT).as_posix(): hits
        for path in files()
        if (hits := [hit for text in paragraphs(path) for hit in turns_in(text)])
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "This page tells the mathematics once.",
        "Its counts are no sample.",
        "Dask gives up a task.",
        "Where a loss is flat, the gradient is small.",
        "A declared symmetry may be one. If not, it is none.",
    ],
)
def test_turns_are_recognised(text):
    assert turns_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "This page explains the mathematics and defines the terms used elsewhere.",
        "There is no critical point on the way; -1 if there are none.",
        "A point where the gradient is zero, and the line on which it lies.",
        "If ``init`` is none of these, ValueError.",
    ],
)
def test_plain_sentences_pass(text):
    assert turns_in(text) == []
