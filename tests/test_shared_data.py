"""Files that other people wrote go through inspect, audit and preprocess, as users run them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app

DATA = Path(__file__).parents[1].parent / "shared" / "data"

PARTON = "classes: {quark: [1, 2, 3, 4, 5, -1, -2, -3, -4, -5], gluon: 21}"
# Ten events are few: with this salt every split gets jets of both classes.
SPLIT = "split: {train: 0.4, validation: 0.3, test: 0.3, salt: 3}"

CASES = {
    "cms_jet_images/split_dev.h5": ("{path: FILE}", "classes: [QCD, TT]"),
    "generated_jets/quark_gluon.h5": (
        "{path: FILE}",
        "classes: [gluon, quark]\n  image: {preset: komiske2017}",
    ),
    "generated_jets/top_qcd.h5": (
        "{path: FILE}",
        "classes: [qcd, top]\n  image: {preset: macaluso2018}",
    ),
    "generated_jets/w_qcd_b.h5": (
        "{path: FILE}",
        "classes: [qcd, W]\n  image: {preset: deoliveira2016}",
    ),
    "cms_nanoaod/pfnano.root": (
        "{path: FILE, collection: Jet, columns: {label: Jet_partonFlavour}}",
        f"{PARTON}\n  {SPLIT}\n  image: {{preset: jet_pt}}",
    ),
    "delphes/delphes_10ev.root": (
        "{path: FILE, collection: Jet, columns: {label: Jet.Flavor}}",
        f"{PARTON}\n  {SPLIT}\n  image: {{preset: jet_pt}}",
    ),
    "dune_cvn/event*.gz": (
        "{path: 'FILE', columns: {label: flavour}, axes: [plane, cell]}",
        f"classes: {{nue_cc: 1, other: [0, 3]}}\n  {SPLIT.replace('salt: 3', 'salt: 4')}",
    ),
}


@pytest.fixture(params=CASES, ids=lambda name: name.split("/")[1])
def study(request, tmp_path):
    """Return a study of one of the files."""
    file = DATA / request.param
    if not list(file.parent.glob(file.name)):
        pytest.skip(f"{request.param} is not here")
    source, rest = CASES[request.param]
    path = tmp_path / "study.yaml"
    path.write_text(
        f"name: others\npreprocess:\n  sources: [{source.replace('FILE', str(file))}]\n  {rest}\n"
    )
    return path


def detcnn(*arguments, allowed=(0,)):
    """Run a command and return what it says as JSON."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code in allowed, f"{arguments}: {done.exit_code}: {done.output}"
    return json.loads(done.stdout)


def test_inspect_says_what_it_is(study):
    found = detcnn("inspect", study)
    (source,) = found["sources"]
    assert sum(sample["events"] for sample in source["samples"].values()) > 0
    assert all(column["not_finite"] == 0 for column in source.get("columns", ()))


def test_audit_finds_no_surprise(study):
    # Real data have a few duplicates and empty jets; nothing but the named checks may be trouble.
    found = detcnn("audit", study, allowed=(0, 65))
    trouble = {row["check"] for row in found["findings"] if row["severity"] == "trouble"}
    assert trouble <= {"class_balance", "duplicates"}, found


def test_preprocess_makes_images(study, tmp_path):
    made = detcnn("preprocess", study, "--work", tmp_path / "work", "--workers", 1)
    counts = [n for split in made["events"].values() for n in split.values()]
    assert all(n > 0 for n in counts)
    # Jets leave most of their picture empty, but not all of it; a spline leaves nothing empty.
    is_spline = "deoliveira" in study.read_text()
    assert made["occupancy"] == 1 if is_spline else 0.002 < made["occupancy"] < 0.5


def test_pixel_maps_of_dune_reach_scores(tmp_path):
    files = DATA / "dune_cvn" / "event*.gz"
    if not list(files.parent.glob(files.name)):
        pytest.skip("dune_cvn is not here")
    pipeline = Path(__file__).parents[1] / "pipelines" / "neutrino_views" / "dune.yaml"
    work = ("--work", tmp_path / "work")
    made = detcnn("preprocess", pipeline, *work, "--input", files, "--workers", 1)
    assert made["image_shape"] == [3, 500, 500]
    assert sum(split["nue_cc"] for split in made["events"].values()) == 6
    assert sum(split["other"] for split in made["events"].values()) == 4
    detcnn("train", pipeline, *work)
    scored = detcnn("predict", pipeline, *work)
    assert scored["events"] == made["events"]["test"]["nue_cc"] + made["events"]["test"]["other"]
