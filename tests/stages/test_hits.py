"""Hits from the study file to the store, as users run them."""

import json

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app
from detcnn.events.images import as_dense
from detcnn.storage.reader import open_store

STUDY = """
name: hits
preprocess:
  sources:
    - path: in.h5
      layout: hits
      hits: {x: 'HitData[..., 1]', y: 'HitData[..., 2]', t: 'HitData[..., 3]'}
      hit_event: 'HitData[..., 0]'
      event_number: 'TruthData[..., 0]'
      columns: {label: 'TruthData[..., 1]', energy: 'TruthData[..., 2]'}
      units: {energy: MeV}
  hits:
    axes:
      - {of: y, low: 0, high: 30, pixels: 3, unit: mm, name: height}
      - {of: x, low: 0, high: 40, pixels: 4, unit: mm}
    channels:
      - {name: low, where: {t: [null, 5]}}
      - {name: first, weight: t, by: min, unit: ns}
"""


@pytest.fixture
def hits(tmp_path):
    rng = np.random.default_rng(0)
    numbers = np.arange(1, 201)
    lengths = rng.integers(1, 9, 200)
    of_hits = np.repeat(numbers, lengths)
    table = np.column_stack([of_hits, rng.uniform(-5, 45, (len(of_hits), 2)), of_hits % 10 + 1])
    truth = np.column_stack([numbers, numbers % 2, numbers / 10])[::-1]
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["HitData"], file["TruthData"] = table.astype("f4"), truth.astype("f4")
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path, table.astype(np.float32)


def detcnn(*arguments, allowed=(0,)):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code in allowed, done.output
    return done


def test_hits_become_images(hits):
    folder, table = hits
    detcnn("preprocess", folder / "study.yaml", "--output", folder / "images", "--workers", 1)
    store = open_store(folder / "images/images.zarr")
    assert [(a.name, a.unit) for a in store.schema.grid.axes] == [("height", "mm"), ("x", "mm")]
    assert [(c.name, c.unit, c.meaning) for c in store.schema.channels] == [
        ("low", "1", "number of hits, t < 5"),
        ("first", "ns", "min of t"),
    ]
    n_seen = 0
    for split in store.splits.values():
        images = as_dense(split.images(0, split.n_events)).values
        for image, number, n_hits, energy, label in zip(
            images,
            split.column("event_id"),
            split.column("n_hits"),
            split.column("energy"),
            split.label,
            strict=True,
        ):
            own = table[table[:, 0] == number]
            counts, _, _ = np.histogram2d(
                own[:, 2], own[:, 1], bins=(np.arange(0, 31, 10), np.arange(0, 41, 10))
            )
            t = number % 10 + 1
            np.testing.assert_array_equal(image[0], counts * (t < 5))
            np.testing.assert_array_equal(image[1], (counts > 0) * t)
            assert (n_hits, label) == (len(own), number % 2)
            assert energy == pytest.approx(number / 1e4)
            n_seen += 1
    assert n_seen == 200
    contents = json.loads((folder / "images/manifest.json").read_text())["contents"]
    inside = np.all((table[:, 1:3] >= 0) & (table[:, 1:3] < [40, 30]), axis=1)
    assert contents["n_constituents_outside"] == np.count_nonzero(~inside)
    again = detcnn("audit", folder / "images", "--json", allowed=(0, 65))
    assert json.loads(again.stdout)["events"] == 200


def test_inspect_and_audit_know_hits(hits):
    folder, _ = hits
    found = json.loads(detcnn("inspect", folder / "study.yaml", "--json").stdout)["sources"][0]
    assert found["kind"] == "HDF5, hits"
    assert found["hits_per_event"]["min"] == 1
    assert [c["part"] for c in found["columns"] if c["of"] == "hit"] == ["x", "y", "t"]
    audit = json.loads(detcnn("audit", folder / "study.yaml", "--json", allowed=(0, 65)).stdout)
    checks = {row["check"] for row in audit["findings"]}
    assert "empty-events" in checks
    assert not checks & {"momentum-units", "angle-units", "eta-or-rapidity", "outside-grid"}


def test_steps_follow_the_projection(hits):
    folder, _ = hits
    images = folder / "images"
    detcnn(
        "preprocess", folder / "study.yaml", "--output", images, "--workers", 1,
        "--set", "preprocess.image_steps=[{step: scale, by: sqrt}]",
    )  # fmt: skip
    split = open_store(images / "images.zarr").splits["train"]
    values = as_dense(split.images(0, split.n_events)).values
    expected = np.sqrt(split.column("event_id") % 10 + 1)
    np.testing.assert_allclose(values[:, 1].max(axis=(1, 2))[values[:, 1].any(axis=(1, 2))],
        expected[values[:, 1].any(axis=(1, 2))], rtol=1e-6)  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("preprocess.hits=null", "holds hits: say how they become an image under preprocess.hits"),
        ("preprocess.image={preset: jet_pt}", "image and hits: expected one of them"),
        ("preprocess.hits.axes=[{of: q, low: 0, high: 1, pixels: 2}]", "no column 'q' of the hits"),
        ("preprocess.hits.axes=[{of: x, low: 1, high: 1, pixels: 2}]", "expected low < high"),
        ("preprocess.observables=[jet_mass]", "nor have hits"),
    ],
)
def test_studies_that_do_not_fit_are_refused(hits, setting, message):
    folder, _ = hits
    done = detcnn(
        "preprocess", folder / "study.yaml", "--output", folder / "images", "--set", setting,
        allowed=(2,),
    )  # fmt: skip
    assert message in " ".join(done.output.split())
    assert not (folder / "images").exists()
