"""Reading a study file, with overrides, into a checked `Study`."""

import copy
import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from detcnn.config.presets import IMAGE_PRESETS, expand_preset
from detcnn.config.study import Study
from detcnn.errors import ConfigError


def load_study(path: Path, overrides: Iterable[str] = ()) -> Study:
    """Read a study file.

    YAML 1.2: ``1e-3`` is a number, ``no``, ``12:30`` and dates are text. A key that no section
    knows, a key that stands twice, a value of the wrong type, NaN and infinity are errors.

    Parameters
    ----------
    path : Path
        The study file.
    overrides : iterable of str
        ``section.key=value`` with the value in YAML, as given to ``--set``; later ones win. Lists,
        also those of a preset, are indexed by number: ``preprocess.sources.0.path=jets.h5``.

    Returns
    -------
    Study
        With paths as written.

    Raises
    ------
    ConfigError
        Naming the file, the key and what was expected.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected sections such as 'preprocess:', found no mapping")
    for override in overrides:
        apply_override(content, override)
    preprocess = content.get("preprocess")
    if isinstance(preprocess, dict) and isinstance(preprocess.get("image"), dict):
        try:
            preprocess["image"] = expand_preset(preprocess["image"])
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
    return check_study(content, where=str(path))


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, read as study files are.

    Raises
    ------
    ConfigError
        If it cannot be read, or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file in UTF-8") from None
    return _parse(text, where=str(path))


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
        text = json.dumps(content)
        return Study.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_describe(error, json.loads(text))}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: {error}") from None


def dump_study(study: Study) -> str:
    """Return a study as YAML, every default and preset written out."""
    stream = StringIO()
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.dump(study.model_dump(mode="json", by_alias=True), stream)
    return stream.getvalue()


def study_schema() -> dict[str, Any]:
    """Return the JSON schema of study files, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Study.model_json_schema(by_alias=True),
    }


class _Constructor(SafeConstructor):
    """Builds what JSON knows, and nothing else."""

    def construct_finite(self, node: ScalarNode) -> float:
        value = float(self.construct_yaml_float(node))
        if not math.isfinite(value):
            problem = f"found {node.value}, expected a finite number"
            raise ConstructorError(problem=problem, problem_mark=node.start_mark)
        return value


_TAG = "tag:yaml.org,2002:"
_Constructor.yaml_constructors = {
    tag: SafeConstructor.yaml_constructors[tag]
    for tag in (None, *(_TAG + name for name in ("null", "bool", "int", "str", "seq", "map")))
}
_Constructor.add_constructor(_TAG + "float", _Constructor.construct_finite)
_Constructor.add_constructor(_TAG + "timestamp", _Constructor.construct_yaml_str)


class _Representer(RoundTripRepresenter):
    """Writes null as a word, and escapes what a reader would take for the end of a line."""

    def represent_null(self, data: None) -> ScalarNode:
        return self.represent_scalar(_TAG + "null", "null")

    def represent_text(self, data: str) -> ScalarNode:
        style = None if data.isprintable() else '"'
        return self.represent_scalar(_TAG + "str", data, style=style)


_Representer.add_representer(type(None), _Representer.represent_null)
_Representer.add_representer(str, _Representer.represent_text)


def _parse(text: str, *, where: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    yaml.composer.warn_double_anchors = False
    try:
        return yaml.load(text)
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        # Besides its own errors, the parser lets through those of int() and the like.
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{where}{line}: not valid YAML: {problem}") from None


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set one key of a mapping in place.

    Parameters
    ----------
    content : dict
        Nested as YAML has it.
    override : str
        ``section.key=value`` with the value in YAML, as given to ``--set``; the number of an entry
        is its key in a list.

    Raises
    ------
    ConfigError
        If it is no such text, or there is nothing to set it in.
    """
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
            preset = IMAGE_PRESETS.get(str(node.get("preset")), {})
            node[key] = copy.deepcopy(preset.get(key, {}))
        return node[key]
    raise ConfigError(f"--set {override}: there is nothing called {key!r} there")


def _position(node: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(node):
        raise ConfigError(
            f"--set {override}: {key!r} is no position in a list of {len(node)}; the first is 0"
        )
    return int(key)


_ELSEWHERE = {
    ("'step'", "clip"): ": large pixels are cut by train.standardise.clip",
}
"""What is asked for under another name, by discriminator and tag."""


def _describe(error: ValidationError, content: Any) -> str:
    faults = [(_location(fault, content), fault) for fault in error.errors()]
    # A fault inside an entry makes pydantic find fault with what holds the entry, too.
    holders = {location[:depth] for location, _ in faults for depth in range(len(location))}
    texts = [_text(location, fault) for location, fault in faults if location not in holders]
    return "; ".join(dict.fromkeys(texts))


def _location(fault: Any, content: Any) -> tuple[str, ...]:
    # Pydantic names the branch of a union it tried; a user knows only the keys of the file.
    location = []
    node = content
    for part in fault["loc"]:
        is_position = isinstance(node, list) and isinstance(part, int) and part < len(node)
        if is_position or (isinstance(node, dict) and part in node):
            node = node[part]
            location.append(str(part))
    if fault["type"] == "missing":
        location.append(str(fault["loc"][-1]))
    return tuple(location)


def _text(location: tuple[str, ...], fault: Any) -> str:
    key = ".".join(location) or "study"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(fault['loc'])}"
    if fault["type"] == "missing":
        return f"{key!r} is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    elsewhere = ""
    if fault["type"] == "union_tag_invalid":
        elsewhere = _ELSEWHERE.get((fault["ctx"]["discriminator"], fault["ctx"]["tag"]), "")
    found = f"(found {_shorten(fault['input'])})"
    return f"{key}: {message[:1].lower()}{message[1:]} {found}{elsewhere}"


def _shorten(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(location: Sequence[int | str]) -> str:
    *parents, key = location
    models: list[type[BaseModel]] = [Study]
    for part in parents:
        if not isinstance(part, int):
            models = _inside(models, part)
    known = sorted({f.alias or name for model in models for name, f in model.model_fields.items()})
    close = difflib.get_close_matches(str(key), known, n=1)
    return f": did you mean {close[0]!r}?" if close else f": expected one of {', '.join(known)}"


def _inside(models: Iterable[type[BaseModel]], part: str) -> list[type[BaseModel]]:
    """Return the models that a key leads to, or else those that the tag of a union stands for."""
    fields = [
        (model, part in (name, field.alias), field.annotation)
        for model in models
        for name, field in model.model_fields.items()
    ]
    named = [inner for _, is_named, held in fields if is_named for inner in _models(held)]
    return named or [model for model, _, held in fields if part in get_args(held)]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
