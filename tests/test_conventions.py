"""Conventions of the house, read from the source."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import detcnn

PACKAGE = Path(detcnn.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
# What stages share.
NO_STAGES = {
    "__init__",
    "frames",
    "gallery",
    "history",
    "policies",
    "scores",
    "simulated_pieces",
    "tasks",
    "stored_truth",
    "trained",
    "training_plan",
}
STAGES = sorted({path.stem for path in (PACKAGE / "stages").glob("*.py")} - NO_STAGES)


def public(body):
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert [node.name for node in public(tree.body) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_one_function_with_named_options(name):
    run = importlib.import_module(f"detcnn.stages.{name}").run
    (_, *options) = inspect.signature(run).parameters.values()
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    result = inspect.signature(run).return_annotation
    assert result is not inspect.Signature.empty


def test_no_room_is_a_lumber_room():
    lumber = {"utils", "util", "common", "helpers", "misc"}
    assert not lumber & {path.stem for path in PACKAGE.rglob("*")}


def test_only_the_command_line_prints():
    for path in SOURCES:
        if path.parent.name == "cli":
            continue
        calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert not names & {"print", "exit", "breakpoint"}, path
