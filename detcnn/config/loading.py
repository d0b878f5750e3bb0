"""Reading a study file, with overrides, into a checked `Study`."""

import difflib
import json
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from detcnn.config.presets import expand_preset
from detcnn.config.study import Study
from detcnn.errors import ConfigError


def load_study(path: Path, overrides: Iterable[str] = ()) -> Study:
    """Read a study file.

    YAML 1.2: ``1e-3`` is a number, ``no`` and ``12:30`` are text. A key that no section knows, a
    key that stands twice, and a value of the wrong type are errors.

    Parameters
    ----------
    path : Path
        The study file.
    overrides : iterable of str
        ``section.key=value`` with the value in YAML, as given to ``--set``; later ones win. Lists
        are indexed by number: ``preprocess.sources.0.path=jets.h5``.

    Returns
    -------
    Study
        With paths as written.

    Raises
    ------
    ConfigError
        Naming the file, the key and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file in UTF-8") from None
    content = _parse(text, where=str(path))
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected sections such as 'preprocess:', found no mapping")
    for override in overrides:
        _apply(content, override)
    preprocess = content.get("preprocess")
    if isinstance(preprocess, dict) and isinstance(preprocess.get("image"), dict):
        preprocess["image"] = expand_preset(preprocess["image"])
    return check_study(content, where=str(path))


def check_study(content: Mapping[str, Any], *, where: str) -> Study:
    """Check plain values against the sections and return the study.

    Raises
    ------
    ConfigError
        Naming `where`, the key and what was expected; all faults in one message.
    """
    try:
        # JSON is the strict common ground of YAML and the sections: lists become tuples and
        # strings paths, but "3" does not become 3.
        return Study.model_validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        faults = error.errors()
        # A fault inside an entry makes pydantic find fault with what holds the entry, too.
        inner = [f for f in faults if not any(_is_inside(g, f) for g in faults)]
        text = "; ".join(dict.fromkeys(_describe(fault, content) for fault in inner))
        raise ConfigError(f"{where}: {text}") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def dump_study(study: Study) -> str:
    """Return a study as YAML, every default and preset written out."""
    stream = StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    yaml.dump(study.model_dump(mode="json", by_alias=True), stream)
    return stream.getvalue()


def study_schema() -> dict[str, Any]:
    """Return the JSON schema of study files, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(by_alias=True),
    }


def _parse(text: str, *, where: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    try:
        return yaml.load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{where}{line}: not valid YAML: {problem}") from None


def _apply(content: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    if not found or not key:
        raise ConfigError(f"--set {override}: expected section.key=value, as in train.epochs=20")
    value = _parse(text, where=f"--set {override}")
    node: Any = content
    *parents, last = key.split(".")
    for parent in parents:
        node = _step_into(node, parent, override)
    if isinstance(node, list):
        node[_position(node, last, override)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"--set {override}: there is nothing to set {last!r} in")


def _step_into(node: Any, key: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_position(node, key, override)]
    if isinstance(node, dict):
        if node.get(key) is None:
            node[key] = {}
        return node[key]
    raise ConfigError(f"--set {override}: there is nothing called {key!r} there")


def _position(node: list[Any], key: str, override: str) -> int:
    if not key.isdigit() or int(key) >= len(node):
        raise ConfigError(
            f"--set {override}: {key!r} is no position in a list of {len(node)}: "
            f"expected 0 to {len(node) - 1}"
        )
    return int(key)


def _is_inside(inner: Any, outer: Any) -> bool:
    depth = len(outer["loc"])
    return len(inner["loc"]) > depth and inner["loc"][:depth] == outer["loc"]


def _describe(fault: Any, content: Any) -> str:
    # Pydantic names the branch of a union it tried; a user knows only the keys of the file.
    location: list[str] = []
    node = content
    for part in fault["loc"]:
        is_position = isinstance(node, list) and isinstance(part, int) and part < len(node)
        if is_position or (isinstance(node, dict) and part in node):
            node = node[part]
        elif part is not fault["loc"][-1] or fault["type"] != "missing":
            continue
        location.append(str(part))
    key = ".".join(location) or "study"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(location)}"
    if fault["type"] == "missing":
        return f"{key!r} is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key}: {message[:1].lower()}{message[1:]} (found {_shorten(fault['input'])})"


def _shorten(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(location: list[str]) -> str:
    known: set[str] = set()
    models: list[type[BaseModel]] = [Study]
    for part in location[:-1]:
        if part.isdigit():
            continue
        models = [
            inner
            for model in models
            for name, field in model.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in(field.annotation)
        ]
    for model in models:
        known |= {field.alias or name for name, field in model.model_fields.items()}
    close = difflib.get_close_matches(location[-1], sorted(known), n=1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f": expected one of {', '.join(sorted(known))}" if known else ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType, tuple) or get_args(annotation):
        return [model for inner in get_args(annotation) for model in _models_in(inner)]
    return []
