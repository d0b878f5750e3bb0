"""Stage ``inspect``: what a file or an artifact is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detcnn.artifacts.opening import Artifact, iter_damaged, open_artifact
from detcnn.errors import DataError
from detcnn.events.table import Column, EventTable, ImageTable
from detcnn.sources.base import Source
from detcnn.sources.hdf5 import read_provenance
from detcnn.sources.opening import open_source

_LOOKED_AT = 10_000
_KINDS = {
    "jagged": "HDF5, constituents with offsets",
    "padded": "HDF5, constituents padded with zeros",
    "images": "HDF5, ready images",
}
_AXIS = ("n_pixels", "low", "high", "unit")
_UNITS = {"pt": "GeV", "energy": "GeV", "mass": "GeV", "phi": "rad"}


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
    """

    kind: str
    facts: Mapping[str, Any]
    columns: tuple[Mapping[str, Any], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def run(path: Path, *, verify: bool = False) -> Inspection:
    """Describe an input file or an artifact.

    Parameters
    ----------
    path : Path
        The file or folder.
    verify : bool
        Also compare every file of an artifact with its checksum.

    Returns
    -------
    Inspection

    Raises
    ------
    DataError
        If it is not there, not something detcnn reads, or damaged.
    ConfigError
        If a file's parts cannot be told apart without being named.
    """
    is_unfinished = not path.exists() and any(
        sibling.name.startswith(f"{path.name}.part-") for sibling in path.parent.glob("*.part-*")
    )
    if path.is_dir() or is_unfinished:
        return _inspect_artifact(open_artifact(path), verify=verify)
    return _inspect_source(open_source(path))


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
    return Inspection(
        kind=f"detcnn {manifest.kind}",
        facts=facts,
        provenance={"config": manifest.config, "environment": manifest.environment},
    )


def _inspect_source(source: Source) -> Inspection:
    layout = source.layout
    first = source.samples[0]
    table = source.read(0, 0, min(first.n_events, _LOOKED_AT))
    facts: dict[str, Any] = {
        "samples": {
            sample.name: {"events": sample.n_events}
            | ({"class": sample.class_name} if sample.class_name else {})
            for sample in source.samples
        }
    }
    if source.label_names:
        facts["class_labels"] = {name: value for value, name in source.label_names.items()}
    columns = []
    if isinstance(table, ImageTable):
        facts |= _image_facts(table)
        if layout.channels_last is not None:
            facts["channel_axis"] = "last" if layout.channels_last else "first"
    else:
        facts |= _constituent_facts(table)
        columns += [
            _column("constituent", role, layout.constituents[role], values)
            for role, values in table.constituents.items()
        ]
    columns += [
        _column("event", name, layout.columns.get(name, " + ".join(layout.event_id)), values)
        for name, values in table.columns.items()
    ]
    if "event_id" not in table.columns:
        facts["event_id"] = "none in the file: a hash of each event's content is used"
    if first.n_events > _LOOKED_AT:
        facts["ranges"] = f"of the first {_LOOKED_AT:,} events of {first.name}"
    return Inspection(
        kind=_KINDS[layout.kind or "jagged"],
        facts=facts,
        columns=tuple(columns),
        provenance=read_provenance(source.path),
    )


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


def _constituent_facts(table: EventTable) -> dict[str, Any]:
    lengths = np.diff(table.offsets)
    if not len(lengths):
        return {}
    return {
        "constituents_per_event": {
            "mean": float(lengths.mean()),
            "min": int(lengths.min()),
            "max": int(lengths.max()),
        }
    }


def _column(of: str, part: str, dataset: str, values: Column) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    return {
        "of": of,
        "part": part,
        "dataset": dataset,
        "unit": _UNITS.get(part, ""),
        "min": finite.min().item() if len(finite) else None,
        "max": finite.max().item() if len(finite) else None,
        "not_finite": len(values) - len(finite),
    }
