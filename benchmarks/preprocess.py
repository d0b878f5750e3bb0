"""Input files to an image store, whole processes from start to end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import h5py
import numpy as np

from benchmarks.jets import sample
from benchmarks.projection import energyflow_images
from benchmarks.timing import Contender, Table, compare

STUDY = """\
name: benchmark
preprocess:
  sources: [{path: jets.h5}]
  classes: {gluon: 0, quark: 1}
  image: {preset: komiske2017}
  observables: []
"""

READ = """\
import os, sys
import h5py
from pathlib import Path

folder, store = map(Path, sys.argv[1:])
with h5py.File(folder / "jets.h5") as file:
    for name in ("pt", "y", "phi", "charge"):
        file[f"constituents/{name}"][:]
    for name in file["jets"]:
        file[f"jets/{name}"][:]
"""

# What the floor does is what a store costs at the least: every column that the study reads is read,
# and the very bytes of the store are written and flushed, with nothing in between.
FLOOR = (
    READ
    + """
copy = folder / "copy"
for path in sorted(store.rglob("*")):
    target = copy / path.relative_to(store)
    if path.is_dir():
        target.mkdir(parents=True)
        continue
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        stream.write(path.read_bytes())
        os.fsync(stream.fileno())
"""
)

# The same with the libraries that are needed to compress: the columns are read, and the arrays of
# the store are written by plain zarr with the store's own chunks and codecs. It has them from the
# store, so that reading that counts as well; nothing is flushed.
ZARR_FLOOR = (
    READ
    + """
import zarr
source = zarr.open_group(store / "images.zarr", mode="r")
target = zarr.open_group(folder / "copy", mode="w", zarr_format=3)
for name, array in source.members(max_depth=None):
    if isinstance(array, zarr.Array):
        target.create_array(
            name,
            shape=array.shape,
            dtype=array.dtype,
            chunks=array.chunks,
            shards=array.shards,
            compressors=array.compressors,
        )[...] = array[...]
"""
)


_JETS_AT_ONCE = 100_000


def write_jets(path: Path, n_jets: int) -> None:
    """Write real jets again and again, each time with other momenta; not compressed."""
    rng = np.random.default_rng(1)
    n_written = last = 0
    with h5py.File(path, "w") as file:
        while n_written < n_jets:
            table = sample(min(_JETS_AT_ONCE, n_jets - n_written))
            factor = rng.uniform(0.9, 1.1, table.n_events).astype(np.float32)
            pt = table.constituents["pt"] * np.repeat(factor, np.diff(table.offsets))
            columns = {"constituents/pt": pt, "constituents/y": table.constituents["rapidity"]}
            columns |= {
                f"constituents/{name}": table.constituents[name]
                for name in ("phi", "pdgid", "charge")
            }
            columns["jets/label"] = table.columns["label"].astype(np.int8)
            columns["jets/event_id"] = np.arange(n_written, n_written + table.n_events)
            columns["jets/offsets"] = table.offsets[1 if n_written else 0 :] + last
            for name, values in columns.items():
                _append(file, name, values)
            n_written += table.n_events
            last += table.n_constituents
        file["constituents/pt"].attrs["units"] = "GeV"
        file["constituents/phi"].attrs["units"] = "rad"


def _append(file: h5py.File, name: str, values: np.ndarray) -> None:
    if name not in file:
        file.create_dataset(name, data=values, maxshape=(None,), chunks=(1 << 18,))
        return
    file[name].resize(len(file[name]) + len(values), axis=0)
    file[name][-len(values) :] = values


def preprocessing(folder: Path, *options: str) -> Callable[[], None]:
    """Return a whole run of ``detcnn preprocess`` on the jets in `folder`."""
    command = [sys.executable, "-m", "detcnn", "preprocess", str(folder / "study.yaml")]
    command += ["--output", str(folder / "images"), "--overwrite", "--quiet", *options]
    return lambda: _call(command)


def run(*, quick: bool) -> list[Table]:
    n_jets = 2000 if quick else 200_000
    n_slow = 200 if quick else 20_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jets(folder / "jets.h5", n_jets)
        (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
        preprocess = preprocessing(folder)
        preprocess()
        store = folder / "images"

        def floor(program: str) -> Callable[[], None]:
            def write() -> None:
                rmtree(folder / "copy", ignore_errors=True)
                _call([sys.executable, "-c", program, name, str(store)])

            return write

        with_observables = preprocessing(folder, "--set", "preprocess.observables=null")
        contenders = [
            Contender("detcnn preprocess", preprocess, n_jets),
            Contender("the same, with six observables of each jet", with_observables, n_jets),
            *_energyflow(folder, n_slow),
            Contender("reading, and copying by zarr", floor(ZARR_FLOOR), n_jets, is_limit=True),
            Contender("reading, and copying the files", floor(FLOOR), n_jets, is_limit=True),
        ]
        preprocess()
        size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
        conditions = (
            f"{n_jets:,} jets of {(folder / 'jets.h5').stat().st_size / 1e6:.0f} MB to three "
            f"channels of 33 × 33 pixels in {size / 1e6:.1f} MB, {size / n_jets:.0f} bytes a jet. "
            "Whole processes, start-up included; EnergyFlow's pixelate and numpy.savez are timed "
            f"within a process and on {n_slow:,} jets."
        )
        return [
            compare(
                "Preprocessing as a whole",
                "jets",
                contenders,
                rounds=1 if quick else 5,
                notes=[conditions],
            )
        ]


def _energyflow(folder: Path, n_jets: int) -> list[Contender]:
    module = energyflow_images()
    if module is None:
        return []

    def pixelate() -> None:
        with h5py.File(folder / "jets.h5") as file:
            offsets = file["jets/offsets"][: n_jets + 1]
            columns = [
                file[f"constituents/{column}"][: offsets[-1]]
                for column in ("pt", "y", "phi", "pdgid")
            ]
        particles = np.stack(columns, axis=1).astype(np.float64)
        images = np.zeros((n_jets, 33, 33, 2))
        for i in range(n_jets):
            jet = particles[offsets[i] : offsets[i + 1]]
            # It does not wrap the azimuth: a jet across ±π would raise.
            jet[:, 2] -= jet[0, 2]
            jet[:, 2] = np.remainder(jet[:, 2] + np.pi, 2 * np.pi) - np.pi
            images[i] = module.pixelate(jet, nb_chan=2, charged_counts_only=True)
        np.savez(folder / "images.npz", images)

    return [Contender("EnergyFlow pixelate and numpy.savez", pixelate, n_jets)]


def _call(command: list[str]) -> None:
    # As users have it: Python keeps its bytecode.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, env=environment, check=True, capture_output=True)
