"""One contract for every reader: malformed input is one clear error, or a table that is right.

A table of small valid files, at least one for each reader; hypothesis cuts them short, changes
bytes of them, and takes away, renames, reshapes and retypes their columns.
"""

import gzip
import importlib
import itertools
import json
import pickle
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from astropy.io import fits
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from detcnn.errors import DetcnnError
from detcnn.events.grid import Axis, Grid
from detcnn.events.table import EventTable
from detcnn.imaging.channels import Channel
from detcnn.imaging.projection import Recipe, project
from detcnn.sources.base import Layout
from detcnn.sources.chain import expand_paths, open_sources
from detcnn.sources.formats import blosc

N_EVENTS, N_MOST = 5, 3
RNG = np.random.default_rng(4)

Columns = dict[str, Any]
"""Name to array, or to a list of arrays for a column of lists."""


def ones_and(n_zeros):
    """Constituents of one feature, padded with zeros: always of some events, with a last empty."""
    values = RNG.uniform(0.1, 1, (N_EVENTS, N_MOST)).astype(np.float32)
    values[-1:] = 0
    values[0, N_MOST - n_zeros :] = 0
    return values


PADDED = {role: ones_and(1) for role in ("pt", "eta", "phi")}
LABEL = np.array([0, 1, 1, 0, 1])
TEXT = np.array(["gluon", "quark"])[LABEL]


def rows(padded):
    return [row[row != 0] for row in padded]


LISTS = {role: rows(values) for role, values in PADDED.items()}
FLAT = {role: np.concatenate(values) for role, values in LISTS.items()}
OFFSETS = np.cumsum([0, *map(len, LISTS["pt"])])


# Writers: a folder and columns to the path that is opened


def to_hdf5(folder, columns, *, version="earliest", name="in.h5", **options):
    path = folder / name
    with h5py.File(path, "w", libver=version) as file:
        for name, values in columns.items():
            if isinstance(values, list):
                dataset = file.create_dataset(name, len(values), h5py.vlen_dtype(values[0].dtype))
                for i, row in enumerate(values):
                    dataset[i] = row
            elif values.dtype.kind == "U":
                file[name] = values.astype(bytes)
            else:
                file.create_dataset(name, data=values, **(options if values.shape else {}))
    return path


def to_records(folder, columns, *, kinds=()):
    """A table of PyTables, or of pandas where `kinds` names the columns of its blocks."""
    path = folder / "in.h5"
    (n_rows,) = {len(values) for values in columns.values()}
    fields = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    table = np.zeros(n_rows, dtype=fields)
    for name, values in columns.items():
        table[name] = values
    with h5py.File(path, "w") as file:
        file.create_dataset("top/table", data=table, chunks=(2,), maxshape=(None,))
        for block, names in kinds:
            file["top/table"].attrs[f"{block}_kind"] = np.bytes_(pickle.dumps(names, 0))
    return path


def to_blosc(folder, columns):
    """As PyTables compresses: HDF5 hands out the chunks and does not understand them."""
    codec = importlib.import_module("numcodecs.blosc")
    path = folder / "in.h5"
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            chunks = (2, *values.shape[1:])
            creation.set_chunk(chunks)
            creation.set_filter(blosc.FILTER, h5py.h5z.FLAG_OPTIONAL, (2, 2, 4, 0, 5, 1, 0))
            kind = h5py.h5t.py_create(values.dtype, logical=True)
            space = h5py.h5s.create_simple(values.shape, values.shape)
            made = h5py.h5d.create(file.id, name.encode(), kind, space, creation)
            for start in range(0, len(values), 2):
                chunk = np.zeros(chunks, values.dtype)
                part = values[start : start + 2]
                chunk[: len(part)] = part
                data = codec.compress(chunk.tobytes(), b"blosclz", 5, 1)
                made.write_direct_chunk((start,) + (0,) * (values.ndim - 1), data)
    return path


def to_linked(folder, columns):
    """A file whose datasets are links to another, and a virtual dataset of a third."""
    *linked, virtual = columns
    to_hdf5(folder, {name: columns[name] for name in linked}, name="linked.h5")
    to_hdf5(folder, {virtual: columns[virtual]}, name="virtual.h5")
    with h5py.File(folder / "in.h5", "w") as file:
        for name in linked:
            file[name] = h5py.ExternalLink("linked.h5", name)
        values = columns[virtual]
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[...] = h5py.VirtualSource("virtual.h5", virtual, values.shape)
        file.create_virtual_dataset(virtual, layout)
    return folder / "in.h5"


def to_npz(folder, columns, *, save=np.savez):
    save(folder / "in.npz", **columns)
    return folder / "in.npz"


def to_npy(folder, columns):
    for name, values in columns.items():
        np.save(folder / f"{name}.npy", values)
    return folder / f"{next(iter(columns))}.npy"


def to_parquet(folder, columns):
    arrays = {
        name: pa.array(values)
        if getattr(values, "ndim", 1) == 1
        else pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[-1])
        for name, values in columns.items()
    }
    pq.write_table(pa.table(arrays), folder / "in.parquet", row_group_size=3)
    return folder / "in.parquet"


def to_root(folder, columns, *, writer="mktree", tree="Events"):
    with uproot.recreate(folder / "in.root", compression=uproot.ZLIB(4)) as file:
        branches = {name: ak.Array(v) if isinstance(v, list) else v for name, v in columns.items()}
        getattr(file, writer)(tree, branches)
    return folder / "in.root"


def to_fits(folder, columns):
    units = [fits.PrimaryHDU()]
    # Copies: astropy turns the bytes of what it writes, and not always back.
    units += [fits.ImageHDU(v.copy(), name=name.upper()) for name, v in columns.items()]
    fits.HDUList(units).writeto(folder / "in.fits", checksum=True)
    return folder / "in.fits"


def to_compressed_fits(folder, columns):
    units = [fits.PrimaryHDU()]
    for name, values in columns.items():
        is_packed = values.ndim > 1 and values.dtype.kind == "f"
        kind = fits.CompImageHDU if is_packed else fits.ImageHDU
        units.append(kind(values.copy(), name=name.upper()))
    fits.HDUList(units).writeto(folder / "in.fits")
    return folder / "in.fits"


def to_cvn(folder, columns):
    """A file for each event, and what is true of all of them in one beside."""
    images = columns.pop("images", np.zeros((0, 3, 500, 500), np.uint8))
    if images.ndim < 3:
        raise ValueError("a byte of a picture would be a file of its own")
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    labels = {str(i): row for i, row in enumerate(rows)}
    (folder / "labels.json").write_text(json.dumps({"columns": [*columns], "labels": labels}))
    for i, image in enumerate(images):
        (folder / f"event{i}.gz").write_bytes(zlib.compress(image.tobytes(), 1))
    return folder / "event*.gz"


def to_json_lines(folder, columns, *, suffix=".gz"):
    names, rows = [*columns], zip(*columns.values(), strict=True)
    lines = [
        json.dumps(
            {name: np.asarray(value).tolist() for name, value in zip(names, row, strict=True)}
        )
        for row in rows
    ]
    content = "".join(f"{line}\n" for line in lines).encode()
    path = folder / f"in.jsonl{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    return path


def to_photon_stream(folder, columns):
    """As JSON lines, with a list of arrivals for each number of photons."""
    counts = columns.pop("PhotonArrivals_500ps", None)
    arrivals = {}
    if counts is not None:
        if counts.ndim != 2 or counts.dtype.kind not in "iu":
            raise ValueError("nothing has so many photons")
        arrivals["PhotonArrivals_500ps"] = [
            [[30 + k for k in range(min(int(n), 9))] for n in row] for row in counts
        ]
    path = folder / "in.jsonl.gz"
    names, rows = [*columns, *arrivals], zip(*columns.values(), *arrivals.values(), strict=True)
    lines = [
        json.dumps(
            {
                name: value.tolist() if isinstance(value, np.generic | np.ndarray) else value
                for name, value in zip(names, row, strict=True)
            }
        )
        for row in rows
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def to_many(folder, columns, *, opened):
    """Two files of a pattern or list, of which the second is the malformed one."""
    to_hdf5(folder, VALID["HDF5 padded"].columns, name="part_1.h5")
    to_hdf5(folder, columns, name="part_2.h5")
    (folder / "list.txt").write_text("part_1.h5\npart_2.h5\n")
    return opened(folder)


def nano():
    columns = {"run": [1] * 4, "luminosityBlock": [1] * 4, "event": [7, 8, 9, 10]}
    found: Columns = {name: np.array(values) for name, values in columns.items()}
    jets = [np.array(row, dtype=np.float32) for row in ([50, 40], [], [30], [20])]
    candidates = [np.array(row, dtype=np.float32) for row in ([9, 8, 7], [1], [6, 5], [3])]
    for name in ("pt", "eta", "phi"):
        found[f"Jet_{name}"] = jets
        found[f"PFCands_{name}"] = candidates
    integers = {
        "Jet_partonFlavour": [[21, 1], [], [2], [21]],
        "PFCands_charge": [[1, 0, -1], [0], [1, 0], [0]],
        "JetPFCands_jetIdx": [[0, 1, 1], [], [0, 0], [0]],
        "JetPFCands_pFCandsIdx": [[1, 2, 1], [], [1, 0], [0]],
    }
    return found | {n: [np.array(r, dtype=np.int32) for r in v] for n, v in integers.items()}


def delphes():
    found: Columns = {}
    for name, momentum in (("Track", "PT"), ("Photon", "ET"), ("NeutralHadron", "ET")):
        for member, role in ((momentum, "pt"), ("Eta", "eta"), ("Phi", "phi")):
            found[f"EFlow{name}.{member}"] = LISTS[role]
    whole = [np.ones(len(row), dtype=np.int32) for row in LISTS["pt"]]
    found |= {"EFlowTrack.Charge": whole, "EFlowTrack.PID": [211 * row for row in whole]}
    return found | {"truth": LABEL}


def jet_class():
    names = {"px": "pt", "py": "eta", "pz": "phi"}
    found: Columns = {f"part_{name}": LISTS[role] for name, role in names.items()}
    found |= {"part_isPhoton": LISTS["pt"], "part_charge": [np.sign(row) for row in LISTS["pt"]]}
    return found | {"label_QCD": 1 - LABEL, "label_Hbb": LABEL, "jet_pt": 100.0 + LABEL}


def frame():
    names = [f"{part}_{i}" for i in range(N_MOST) for part in ("E", "PX", "PY", "PZ")]
    momenta = np.stack([PADDED["pt"], *PADDED.values()], axis=2)
    blocks = {
        "index": np.arange(N_EVENTS),
        "values_block_0": momenta.reshape(N_EVENTS, -1),
        "values_block_1": np.stack([LABEL, LABEL], axis=1),
    }
    return blocks, (("values_block_0", names), ("values_block_1", ["ttv", "is_signal_new"]))


def energyflow():
    pdgid = np.where(PADDED["pt"] > 0, 211, 0)
    x = np.stack([*PADDED.values(), pdgid], axis=2).astype(np.float64)
    return {"X": x, "y": LABEL.astype(float)}


def jetnet():
    particles = np.stack([*reversed(PADDED.values()), PADDED["pt"] != 0], axis=2)
    return {"particle_features": particles, "jet_features": RNG.uniform(1, 9, (N_EVENTS, 4))}


@dataclass(frozen=True)
class Valid:
    """A valid file.

    Parameters
    ----------
    write : callable
        Folder and columns to what is opened.
    columns : mapping
        What is in it.
    layout : Layout
        What a study says of it.
    """

    write: Callable[[Path, Columns], Path]
    columns: Mapping[str, Any]
    layout: Layout = field(default_factory=Layout)


def written(write, **options):
    return lambda folder, columns: write(folder, columns, **options)


PARTS = {f"part_{role}": values for role, values in PADDED.items()}
IN_LISTS = {f"part_{role}": values for role, values in LISTS.items()}
PICTURES = {"pictures": RNG.uniform(0, 1, (N_EVENTS, 8, 20)).astype(np.float32)}
PICTURES["pictures"] = np.repeat(PICTURES["pictures"], 3, axis=1)
MAPS = np.zeros((1, 3, 500, 500), dtype=np.uint8)
MAPS[:, :, 200:210, 300] = RNG.integers(0, 255, (1, 3, 10))
BLOCKS, KINDS = frame()

VALID = {
    "HDF5 jagged": Valid(
        written(to_hdf5, compression="gzip", shuffle=True),
        {f"constituents/{role}": values for role, values in FLAT.items()}
        | {"jets/offsets": OFFSETS, "jets/label": TEXT},
    ),
    "HDF5 padded": Valid(written(to_hdf5, version="latest"), PARTS | {"label": LABEL}),
    "HDF5 lists": Valid(to_hdf5, IN_LISTS | {"label": LABEL}),
    "HDF5 per class": Valid(
        to_hdf5, {f"{c}/{name}": values for c in ("a", "b") for name, values in PARTS.items()}
    ),
    "HDF5 links": Valid(to_linked, PARTS | {"label": LABEL}, Layout(allow_links=True)),
    "HDF5 Blosc": Valid(to_blosc, PARTS | {"label": LABEL}),
    "HDF5 pandas": Valid(written(to_records, kinds=KINDS), BLOCKS),
    "HDF5 PyTables": Valid(
        to_records,
        {f"{part}_{i}": PADDED["pt"][:, i] for i in range(N_MOST) for part in ("PX", "PY", "PZ")}
        | {"is_signal_new": LABEL},
    ),
    "JetNet": Valid(written(to_hdf5, compression="gzip"), jetnet(), Layout(class_name="gluon")),
    "EnergyFlow": Valid(written(to_npz, save=np.savez_compressed), energyflow()),
    "npz images": Valid(to_npz, PICTURES | {"label": TEXT}),
    "npy images": Valid(to_npy, PICTURES | {"y": LABEL}, Layout(columns={"label": "y.npy"})),
    "FITS images": Valid(to_fits, PICTURES | {"label": LABEL}),
    "FITS tiles": Valid(to_compressed_fits, PICTURES | {"label": LABEL}),
    "Parquet lists": Valid(to_parquet, IN_LISTS | {"label": TEXT}),
    "Parquet one-hot": Valid(to_parquet, IN_LISTS | {"label": np.eye(2)[LABEL]}),
    "JetClass": Valid(written(to_root, tree="tree"), jet_class()),
    "Delphes": Valid(
        written(to_root, tree="Delphes"), delphes(), Layout(columns={"label": "truth"})
    ),
    "NanoAOD": Valid(
        to_root, nano(), Layout(collection="Jet", columns={"label": "Jet_partonFlavour"})
    ),
    "RNTuple": Valid(written(to_root, writer="mkrntuple"), IN_LISTS | {"label": LABEL}),
    "CVN": Valid(
        to_cvn, {"images": MAPS, "flavour": LABEL[:1]}, Layout(columns={"label": "flavour"})
    ),
    "JSON lines": Valid(written(to_json_lines, suffix=""), PARTS | {"label": TEXT}),
    "JSON lines of lists": Valid(to_json_lines, IN_LISTS | {"label": LABEL}),
    "photon stream": Valid(
        to_photon_stream,
        {
            "PhotonArrivals_500ps": RNG.integers(0, 3, (N_EVENTS, 6)),
            "truth": RNG.uniform(0, 1, (N_EVENTS, 6)),
            "label": LABEL,
        },
        Layout(axes=("pixel",), channels={"n": "photons", "t": "arrival_time", "x": "truth"}),
    ),
    "pattern": Valid(
        written(to_many, opened=lambda folder: folder / "part_*.h5"), PARTS | {"label": LABEL}
    ),
    "list": Valid(
        written(to_many, opened=lambda folder: f"@{folder / 'list.txt'}"), PARTS | {"label": LABEL}
    ),
}

NAMES = list(VALID)
SETTINGS: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
}


# The contract


def read(path, layout, folder):
    """Return source and tables, or None where the file is refused as it should be."""
    try:
        source = open_sources(expand_paths(str(path), base=Path()), layout)
        tables = [source.read(i, 0, s.n_events) for i, s in enumerate(source.samples)]
    except DetcnnError as error:
        message = str(error)
    else:
        check(source, tables)
        return source, tables
    assert str(folder) in message
    assert len(message.splitlines()) == 1
    return None


def check(source, tables):
    assert sum(sample.n_events for sample in source.samples) > 0
    for sample, table in zip(source.samples, tables, strict=True):
        assert table.n_events == sample.n_events
        assert all(values.shape == (sample.n_events,) for values in table.columns.values())
        if sample.class_name is None and "label" in table.columns:
            assert set(table.columns["label"].tolist()) <= source.label_names.keys()
        if isinstance(table, EventTable):
            check_constituents(table)
        else:
            assert table.images.values.shape == (sample.n_events, *source.image_shape)
            assert np.isfinite(table.images.values).all()


def check_constituents(table):
    assert table.offsets[0] == 0
    assert (np.diff(table.offsets) >= 0).all()
    n = (table.n_constituents,)
    assert all(values.shape == n for values in table.constituents.values())
    assert {"pt", "phi"} <= table.constituents.keys()
    longitudinal = "eta" if "eta" in table.constituents else "rapidity"
    selection = "charged" if "charge" in table.constituents else "all"
    recipe = Recipe(
        grid=Grid(Axis(longitudinal, 4, -1.0, 1.0), Axis("phi", 4, -1.0, 1.0, unit="rad")),
        channels=(Channel("all"), Channel("some", "pt", selection)),
        longitudinal=longitudinal,
    )
    try:
        projection = project(table, recipe)
    except DetcnnError:
        return
    assert projection.images.n_images == table.n_events


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A new empty folder each time."""
    numbers = itertools.count()
    base = tmp_path_factory.mktemp("damage")

    def place():
        folder = base / str(next(numbers))
        folder.mkdir()
        return folder

    return place


@pytest.fixture(scope="module")
def intact(places):
    """Name to the folder of a valid file, what is opened of it, and what is read."""
    found = {}
    for name, valid in VALID.items():
        folder = places()
        path = valid.write(folder, dict(valid.columns))
        found[name] = (folder, path, read(path, valid.layout, folder))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_valid_file_is_read(intact, name):
    _, _, found = intact[name]
    assert found is not None
    source, tables = found
    assert source.label_names or source.samples[0].class_name
    assert sum(table.n_events for table in tables) == {"NanoAOD": 4, "CVN": 1}.get(
        name, N_EVENTS
    ) * (2 if name in ("pattern", "list", "HDF5 per class") else 1)


# Bytes


def numbers_of(file):
    """Return where the numbers of a file are; all of it but for HDF5.

    libhdf5 is no library that any bytes can be given to: a wrong size among what describes a
    dataset has it write where it must not, one in the heap of lists and text has it go round in
    circles, and the number of rows has no checksum. What can be tried of those without ending the
    tests is in ``test_damage.py``.
    """
    if not h5py.is_hdf5(file):
        return [range(file.stat().st_size)]
    found = []

    def visit(_, entry):
        if isinstance(entry, h5py.Dataset) and not (entry.dtype.hasobject or entry.is_virtual):
            if entry.chunks:
                chunks = (entry.id.get_chunk_info(i) for i in range(entry.id.get_num_chunks()))
                found.extend(range(c.byte_offset, c.byte_offset + c.size) for c in chunks)
            else:
                start = entry.id.get_offset()
                found.append(range(start, start + entry.id.get_storage_size()))

    with h5py.File(file) as opened:
        opened.visititems(visit)
    return found


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, **SETTINGS)
@given(data=st.data())
def test_wrong_bytes(intact, places, name, data):
    original, path, _ = intact[name]
    folder = places()
    for file in original.iterdir():
        shutil.copyfile(file, folder / file.name)
    # A list of files is what a user writes.
    victim = data.draw(st.sampled_from(sorted(f for f in folder.iterdir() if f.suffix != ".txt")))
    content = bytearray(victim.read_bytes())
    spans = numbers_of(victim)
    if not spans or data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            span = data.draw(st.sampled_from(spans))
            content[data.draw(st.sampled_from(span))] ^= data.draw(st.integers(1, 255))
    victim.write_bytes(content)
    read(str(path).replace(str(original), str(folder)), VALID[name].layout, folder)


# Columns


def values_of(draw, values):
    """Draw what could have become of a column."""
    if isinstance(values, list):
        return draw(
            st.sampled_from(
                [
                    values[:-1],
                    values[:0],
                    values[::-1],
                    [*values[:-1], np.zeros(2, values[0].dtype)],
                    [row[:1] for row in values],
                    [row.astype(np.float64) * np.nan for row in values],
                    [row.astype(np.int16) for row in values],
                    [row > 0.5 for row in values],
                    np.array([len(row) for row in values]),
                ]
            )
        )
    other = values.copy()
    if other.size and other.dtype.kind in "fiu":
        number = draw(st.sampled_from([-1, 0, 3, 127]) | st.floats(width=16))
        with np.errstate(invalid="ignore"):
            other.flat[draw(st.integers(0, other.size - 1))] = (
                number if other.dtype.kind == "f" else 3
            )
    return draw(
        st.sampled_from(
            [
                other,
                values[:-1],
                values[:0],
                values[:1],
                values[..., np.newaxis],
                values[..., :1],
                values.reshape(-1),
                values.T.copy(),
                np.stack([values, values], axis=-1),
                np.asarray(values.flat[0]),
                *(
                    values.astype(kind)
                    for kind in ("U8", "S8", "c8", "?", "i1", ">f8", "u8", "f2")
                    if values.dtype.kind != "U" or kind in ("U8", "S8")
                ),
            ]
        )
    )


def malformed(draw, columns):
    """Draw columns of which one or two are not what they were; also return which."""
    changed = dict(columns)
    touched = draw(st.lists(st.sampled_from(list(columns)), min_size=1, max_size=2, unique=True))
    for name in touched:
        values = changed.pop(name)
        what = draw(st.sampled_from(["absent", "renamed", "values", "values", "values"]))
        if what == "renamed":
            holder, slash, _ = name.rpartition("/")
            known = st.sampled_from(["pt", "E", "offsets", "label", "mask", "y", "event", "part_m"])
            base = draw(known | st.text("abé_ 0", min_size=1, max_size=4))
            changed[f"{holder}{slash}{base}"] = values
        elif what == "values":
            changed[name] = values_of(draw, values)
    return changed, touched


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, **SETTINGS)
@given(data=st.data())
def test_wrong_columns(intact, places, name, data):
    valid, folder = VALID[name], places()
    columns, touched = malformed(data.draw, valid.columns)
    try:
        path = valid.write(folder, columns)
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        NotImplementedError,
        OSError,
        StopIteration,
        ZeroDivisionError,
    ):
        # What no library writes is in no file.
        reject()
    found = read(path, valid.layout, folder)
    if found is None:
        return
    _, _, expected = intact[name]
    (source, tables), (before, tables_before) = found, expected
    # What plays no part itself, such as a link, may be what leads to others.
    parts = [*before.layout.constituents.values(), *before.layout.columns.values()]
    if not all(any(name in part for part in parts) for name in touched):
        return
    same = {
        role
        for role, text in before.layout.constituents.items()
        if source.layout.constituents.get(role) == text
        and not any(name.rpartition("/")[2] in text for name in touched)
    }
    for table, known in zip(tables, tables_before, strict=False):
        if not isinstance(table, EventTable) or not np.array_equal(table.offsets, known.offsets):
            continue
        for role in same & table.constituents.keys() & known.constituents.keys():
            np.testing.assert_array_equal(table.constituents[role], known.constituents[role])
