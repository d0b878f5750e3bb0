"""Stage ``inspect``: what a file or an artifact is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from detcnn.artifacts.opening import Artifact, iter_damaged, open_artifact
from detcnn.config.study import Study
from detcnn.errors import ConfigError, DataError
from detcnn.events.images import as_dense, filled_planes
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.quality.emptiness import empty_event_findings, empty_image_findings
from detcnn.quality.findings import Place
from detcnn.quality.rapidity import rapidity_findings
from detcnn.quality.truth import tally_pixel_truth, tally_points
from detcnn.quality.units import unit_findings
from detcnn.sources.base import Layout, Source
from detcnn.sources.chain import Chain, expand_paths, open_sources
from detcnn.sources.contents import Content, list_contents
from detcnn.sources.formats.stored_array import named_parts
from detcnn.sources.layouts.columns import house_unit
from detcnn.sources.layouts.per_class import PerClass
from detcnn.sources.opening import find_format, read_provenance
from detcnn.sources.suggestions import suggested_source
from detcnn.stages.preprocessing.inputs import classless, layout_of

_LOOKED_AT = 10_000
_KINDS = {
    "hits": "hits",
    "jagged": "constituents with offsets",
    "lists": "lists of constituents",
    "padded": "constituents padded with zeros",
    "images": "ready images",
}
_AXIS = ("n_pixels", "low", "high", "unit")
_UNITS = {"pt": "GeV", "energy": "GeV", "mass": "GeV", "px": "GeV", "phi": "rad"}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found; every mapping holds JSON-able values.

    Parameters
    ----------
    kind : str
        What it is, in a few words.
    facts : mapping
        What there is to know of it.
    columns : tuple of mapping
        For input files, one entry a column: part, dataset, unit, smallest and largest value.
    provenance : mapping
        For artifacts, the configuration and the circumstances they were made with.
    warnings : tuple of str
        For input files, what the beginning looks like that it is not said to be: other units,
        rapidity under the name of eta, events with nothing in them; and if nothing tells classes,
        or which dataset plays which part.
    datasets : tuple of mapping
        For input files, one entry each that plays no part, or all where it cannot be told which:
        dataset, shape, type, unit, smallest and largest value, words of text.
    suggestion : tuple of str
        Where the parts cannot be told apart, lines of a study that would tell them.
    """

    kind: str
    facts: Mapping[str, Any]
    columns: tuple[Mapping[str, Any], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    datasets: tuple[Mapping[str, Any], ...] = ()
    suggestion: tuple[str, ...] = ()


def run(
    path: Path, *, verify: bool = False, study: Study | None = None, number: int = 0
) -> Inspection:
    """Describe an input file or an artifact.

    Parameters
    ----------
    path : Path
        The file or folder; a pattern or an ``@list`` of files of one layout; or the study file.
    verify : bool
        Also compare every file of an artifact with its checksum.
    study : Study, optional
        What the study file says; None for the others.
    number : int
        Which source of the study to describe.

    Returns
    -------
    Inspection

    Raises
    ------
    DataError
        If it is not there, not something detcnn reads, or damaged.
    ConfigError
        If a study names what is not there, or a file holds nothing.
    """
    if study is not None:
        entry = study.preprocess.sources[number]
        paths = expand_paths(entry.path, base=path.parent)
        return _inspect_source(open_sources(paths, layout_of(entry)), paths)
    is_unfinished = not path.exists() and any(
        sibling.name.startswith(f"{path.name}.part-") for sibling in path.parent.glob("*.part-*")
    )
    if path.is_dir() or is_unfinished:
        return _inspect_artifact(open_artifact(path), verify=verify)
    paths = expand_paths(str(path), base=Path())
    try:
        # That nothing tells the classes is told beside all else.
        source = open_sources(paths, Layout(may_lack_truth=True))
    except ConfigError as error:
        return _inspect_undecided(paths, error)
    return _inspect_source(source, paths)


def _inspect_artifact(artifact: Artifact, *, verify: bool) -> Inspection:
    manifest = artifact.manifest
    facts: dict[str, Any] = {
        "stage": manifest.stage,
        "format": manifest.format_version,
        "digest": manifest.digest,
        "written": manifest.environment.get("written"),
        "files": len(manifest.payload),
        "bytes": sum(file.size for file in manifest.payload),
        "inputs": {
            entry.role: {"name": entry.name, "digest": entry.digest} for entry in manifest.inputs
        },
    }
    if verify:
        damaged = list(iter_damaged(artifact))
        if damaged:
            raise DataError(
                f"{artifact.path}: {len(damaged)} of {len(manifest.payload)} files differ from "
                f"their checksums, the first is {damaged[0]}: copy or make the artifact again"
            )
        facts["verified"] = True
    facts |= manifest.contents
    for key, told in (("channels", ("unit", "meaning")), ("axes", _AXIS)):
        if key in facts:
            facts[key] = {entry["name"]: {k: entry[k] for k in told} for entry in facts[key]}
    if facts.get("truth") or facts.get("points"):
        # Needs zarr, which all else of an artifact is told without.
        from detcnn.stages.stored_truth import stored_truth_facts

        facts |= stored_truth_facts(artifact, looked_at=_LOOKED_AT)
        del facts["truth"]
    return Inspection(
        kind=f"detcnn {manifest.kind}",
        facts=facts,
        provenance={"config": manifest.config, "environment": manifest.environment},
    )


def _inspect_source(source: Source, paths: tuple[Path, ...]) -> Inspection:
    layout = source.layout
    first = source.samples[0]
    table = source.read(0, 0, min(first.n_events, _LOOKED_AT))
    facts: dict[str, Any] = {"files": len(paths)} if len(paths) > 1 else {}
    facts |= {
        "samples": {
            sample.name: {"events": sample.n_events}
            | ({"class": sample.class_name} if sample.class_name else {})
            for sample in source.samples
        }
    }
    if source.label_names:
        facts["class_labels"] = {name: value for value, name in source.label_names.items()}
    columns = []
    warnings: list[str] = []
    place = Place(str(source.path), 0, layout.constituents or layout.hits, layout.columns)
    if isinstance(table, ImageTable):
        facts |= _image_facts(table)
        facts |= _truth_facts(source, table, place)
        empty = empty_image_findings(table.images, place)
        if layout.channels_last is not None:
            facts["channel_axis"] = "last" if layout.channels_last else "first"
    else:
        of = "hit" if layout.kind == "hits" else "constituent"
        named = layout.hits if layout.kind == "hits" else layout.constituents
        facts |= _constituent_facts(table, of=of)
        looks = unit_findings(table, place) if table.has_momenta else ()
        looks += rapidity_findings(table, place) if table.has_momenta else ()
        warnings += [f"{place.name}: {look.message}; {look.remedy}" for look in looks]
        empty = empty_event_findings(table, place)
        columns += [
            _column(of, role, *_origin(source, role, named), values)
            for role, values in table.constituents.items()
        ]
    columns += [
        _column("event", name, *_origin(source, name, layout.columns), values)
        for name, values in table.columns.items()
    ]
    warnings += [f"{place.name}: {look.count:,} {look.message}; {look.remedy}" for look in empty]
    nothing_tells = classless(source)
    if nothing_tells is not None:
        warnings.append(nothing_tells)
    if "event_id" not in table.columns:
        facts["event_id"] = "none in the file: a hash of each event's content is used"
    if first.n_events > _LOOKED_AT:
        facts["ranges"] = f"of the first {_LOOKED_AT:,} events of {first.name}"
    return Inspection(
        kind=f"{source.format_name}, {_KINDS[layout.kind or 'jagged']}",
        facts=facts,
        columns=tuple(columns),
        provenance=read_provenance(paths[0]),
        warnings=tuple(warnings),
        datasets=_without_part(source, paths[0]),
    )


def _inspect_undecided(paths: tuple[Path, ...], error: ConfigError) -> Inspection:
    """Describe what is in a file whose parts cannot be told apart.

    Raises
    ------
    ConfigError
        The same, if it holds nothing to describe.
    """
    contents = list_contents(paths[0])
    if not contents:
        raise error
    return Inspection(
        kind=f"{find_format(paths[0]).name}, not decided which dataset plays which part",
        facts={"files": len(paths)} if len(paths) > 1 else {},
        provenance=read_provenance(paths[0]),
        warnings=(str(error),),
        datasets=tuple(map(_dataset, contents)),
        suggestion=suggested_source(paths[0].name, contents),
    )


def _without_part(source: Source, path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return what the first file holds beside the parts that were found."""
    parts: tuple[Source, ...] = (source,)
    while any(isinstance(part, Chain | PerClass) for part in parts):
        parts = tuple(
            one
            for part in parts
            for one in (part.parts if isinstance(part, Chain | PerClass) else (part,))
        )
    patterns = {sample.name for part in parts for sample in part.samples}
    for layout in (part.layout for part in parts):
        hits = (*layout.hits.values(), layout.hit_event or "", layout.event_number or "")
        patterns |= named_parts(layout) | {text.partition("[")[0] for text in hits}
    exact = {text for text in patterns if "*" not in text}
    contents = list_contents(path, source.layout, without=exact)
    wild = patterns - exact
    return tuple(
        _dataset(one)
        for one in contents
        if not any(fnmatchcase(one.dataset.name, pattern) for pattern in wild)
    )


def _dataset(content: Content) -> dict[str, Any]:
    dataset = content.dataset
    return {
        "dataset": dataset.name,
        "shape": [*dataset.shape, *(["list"] if dataset.is_ragged else [])],
        "type": "text" if dataset.is_text else str(dataset.dtype),
        "unit": dataset.unit or "",
        "min": content.low,
        "max": content.high,
        "not_finite": content.n_not_finite or None,
        "words": list(content.words),
    }


def _image_facts(table: ImageTable) -> dict[str, Any]:
    values = table.images.values
    facts: dict[str, Any] = {"image_shape": list(table.images.shape)}
    if values.size:
        facts["pixels"] = {
            "min": float(values.min()),
            "max": float(values.max()),
            "occupancy": table.images.occupancy,
        }
    return facts


def _truth_facts(source: Source, table: ImageTable, place: Place) -> dict[str, Any]:
    """Return what there is of each truth of pixels and of points."""
    truth = {}
    for name, images in table.truth.pixels.items():
        told, values = source.layout.pixels[name], as_dense(images).values
        planes = filled_planes(table.images, images.shape[0], of_channels=told.of == "channels")
        filled = as_dense(planes).values > 0
        tally = tally_pixel_truth(name, told.classes, values, filled, place)
        truth[name] = {"dataset": told.column, **tally.facts()}
    points = {
        name: {
            "dataset": source.layout.points[name],
            **tally_points(name, places, table.images.shape[1:], place).facts(),
        }
        for name, places in table.truth.points.items()
    }
    found = {"truth_of_pixels": truth, "points": points}
    return {name: facts for name, facts in found.items() if facts}


def _constituent_facts(table: EventTable, *, of: str) -> dict[str, Any]:
    lengths = np.diff(table.offsets)
    if not len(lengths):
        return {}
    return {
        f"{of}s_per_event": {
            "mean": float(lengths.mean()),
            "min": int(lengths.min()),
            "max": int(lengths.max()),
        }
    }


def _origin(source: Source, part: str, named: Mapping[str, str]) -> tuple[str, str, str]:
    """Return which dataset a column comes from, its unit, and how that is known."""
    dataset, unit = named.get(part), _UNITS.get(part, "")
    if dataset is not None:
        stated = source.stated_units.get(dataset)
        if stated:
            return dataset, house_unit(stated), f"stated: {stated}"
        return dataset, unit, "assumed" if unit else ""
    if part in ("event_id", "label"):
        layout = source.layout
        return " + ".join(layout.event_id if part == "event_id" else layout.one_hot), unit, ""
    origin = next((role for role in (f"{part}_rel", "px") if role in named), None)
    if origin is None:
        return "", unit, ""
    if origin != "px":
        return named[origin], unit, ""
    known = _origin(source, origin, named)[2] if part == "pt" else ""
    return f"{named[origin]}, …", unit, known


def _column(
    of: str, part: str, dataset: str, unit: str, known: str, values: Column
) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    return {
        "of": of,
        "part": part,
        "dataset": dataset,
        "unit": unit,
        "unit_is": known,
        "min": finite.min().item() if len(finite) else None,
        "max": finite.max().item() if len(finite) else None,
        "not_finite": len(values) - len(finite),
    }
