"""The reproductions run from their Makefiles, on the sample data and for one epoch."""

import csv
import gzip
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.models.catalogue import NETWORKS, PER_PIXEL

ROOT = Path(__file__).parents[1]
# One epoch, few replicas, and no files of figures but those in the report: they take longest.
EPOCH = "SET=--set train.epochs=1 --set evaluate.replicas=20 --set evaluate.formats=[]"
STUDIES = sorted((ROOT / "pipelines").glob("*/*.yaml"))


def make(folder, *arguments):
    """Run make with the detcnn of these tests and return what it says."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["make", "-C", folder, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_study_file_is_valid(study):
    assert load_study(study, []).name


def test_the_studies_of_a_pipeline_differ_in_image_and_network_alone():
    # But where one task helps another, and where files are another experiment's.
    of_others = {ROOT / "pipelines/neutrino_views/dune.yaml"}
    for folder in {path.parent for path in STUDIES} - {ROOT / "pipelines/transfer"}:
        paths = [path for path in STUDIES if path.parent == folder and path not in of_others]
        studies = [load_study(path, []) for path in paths]
        for study in studies:
            assert study.preprocess.classes == studies[0].preprocess.classes
            assert study.preprocess.split == studies[0].preprocess.split
            assert study.preprocess.select == studies[0].preprocess.select
            assert study.evaluate == studies[0].evaluate


def test_w_tagging_compares_its_networks(clone):
    folder = clone / "pipelines" / "w_tagging"
    said = make(folder, "compare", EPOCH)
    assert "AUC" in said
    comparison = json.loads((folder / "work/small/comparison/comparison.json").read_text())
    assert comparison
    assert (folder / "work/small/metrics/report.html").exists()
    assert "detcnn train" not in make(folder, "compare", EPOCH)


def test_top_tagging_reports(clone):
    folder = clone / "pipelines" / "top_tagging"
    assert "best baseline" in make(folder, "report", EPOCH)
    said = make(folder, "seeds", "SEEDS=2", EPOCH)
    assert "(2 trainings)" in said
    comparison = json.loads((folder / "work/small/seeds/comparison.json").read_text())
    (entry,) = comparison["entries"]
    assert len(set(entry["auc_trainings"])) == 2
    assert entry["auc_spread"] > 0


@pytest.mark.parametrize("name", ["quark_gluon", "top_tagging", "w_tagging"])
def test_seeds_are_trainings_of_one_study_on_the_same_images(clone, name):
    said = make(clone / "pipelines" / name, "seeds", "SCALE=full", "SEEDS=7 11", "--dry-run")
    plan = [line.split() for line in said.replace("\\\n", " ").splitlines()]
    plan = [words[1:] for words in plan if words[:1] == ["detcnn"]]
    assert [words[0] for words in plan[:4]] == ["simulate", "preprocess", "train", "evaluate"]
    assert sorted(words[0] for words in plan[4:-1]) == ["predict", "predict", "train", "train"]
    for words in plan[1:-1]:
        assert words[1] == "study.yaml"
    for seed in ("7", "11"):
        work = f"work/full/seed-{seed}"
        train, predict = (words for words in plan if words[2:4] == ["--work", work])
        assert [train[0], train[-2:]] == ["train", ["--set", f"train.seed={seed}"]]
        assert predict[0] == "predict"
        for words in (train, predict):
            assert words[words.index("--images") + 1] == "work/full/images"
    compare = plan[-1]
    assert compare[:4] == ["compare", "work/full", "work/full/seed-7", "work/full/seed-11"]
    assert compare.count("study") == compare.count("--label") == 3


def write_digits(folder, n_images):
    """Files in the format of MNIST: ten kinds of strokes, drawn with noise."""
    rng = np.random.default_rng(0)
    labels = (np.arange(n_images) % 10).astype(np.uint8)
    images = np.zeros((n_images, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(3, 7, 2)
        image[row : row + 18, column + label : column + label + 3] = 255
        image[row + label : row + label + 3, column : column + 18] = rng.integers(100, 256)
    folder.mkdir()
    for name, values in (("images-idx3", images), ("labels-idx1", labels)):
        head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        content = gzip.compress(head + values.tobytes())
        (folder / f"train-{name}-ubyte.gz").write_bytes(content)
    return folder / "train-images-idx3-ubyte.gz"


def test_mnist_trains_its_networks(clone, tmp_path):
    folder = clone / "pipelines" / "mnist"
    options = (
        f"IMAGES={write_digits(tmp_path / 'digits', 600)}",
        EPOCH,
        f"WORK={tmp_path / 'work'}",
    )
    make(folder, f"{tmp_path}/work/study/model/manifest.json", *options)
    manifest = json.loads((tmp_path / "work/study/model/manifest.json").read_text())
    assert manifest["contents"]["n_parameters"] == 23_860
    plan = make(folder, "report", "shift", *options, "--dry-run")
    assert plan.count("detcnn train") == 3
    assert plan.count("detcnn evaluate") == plan.count("--symmetry shift") == 3
    missing = subprocess.run(
        ["make", "-C", folder, "images", "IMAGES=none.gz", f"WORK={tmp_path / 'none'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "none.gz: not there: make IMAGES=" in missing.stderr


def test_transfer_takes_the_features_of_the_first_task(clone, write_part, tmp_path):
    folder = clone / "pipelines" / "transfer"
    samples = clone / "sample_data"
    options = (
        f"FIRST={write_part(samples / 'top_qcd.h5', tmp_path / 'first.h5', 300)}",
        f"SECOND={write_part(samples / 'w_qcd.h5', tmp_path / 'second.h5', 300)}",
        f"WORK={tmp_path / 'work'}",
        "LABELS=20 90",
        "SEEDS=4 7",
        EPOCH,
    )
    runs = tmp_path / "work"
    make(folder, f"{runs}/frozen-20-4/model/manifest.json", *options)
    manifest = json.loads((runs / "frozen-20-4/model/manifest.json").read_text())
    assert manifest["config"]["seed"] == 4
    contents = manifest["contents"]
    assert contents["n_training_events"] == 20
    assert contents["start"]["frozen"] == ["block1", "block2", "block3", "dense1"]
    assert contents["n_trained"] == 130
    first = json.loads((runs / "pretrained/model/manifest.json").read_text())
    assert first["digest"] in {entry["digest"] for entry in manifest["inputs"]}
    plan = make(folder, *options, "--dry-run").replace("\\\n", " ")
    trained = [line for line in plan.splitlines() if line.startswith("detcnn train")]
    # The first task, and three ways with two numbers of labels and two seeds.
    assert len(trained) == 1 + 3 * 2 * 2
    assert sum("start.model" in line for line in trained) == 8
    assert sum("freeze=4" in line for line in trained) == 4
    (compared,) = [line for line in plan.splitlines() if line.startswith("detcnn compare")]
    assert compared.count("--label scratch@90") == compared.count("--label tuned@20") == 2
    assert "--along" in compared


def test_transfer_simulates_both_tasks_first(clone):
    folder = clone / "pipelines" / "transfer"
    plan = make(folder, "SCALE=medium", "LABELS=30", "SEEDS=1", "--dry-run").splitlines()
    commands = [line.split()[1:3] for line in plan if line.startswith("detcnn ")]
    simulated = [words[1] for words in commands if words[0] == "simulate"]
    assert sorted(simulated) == ["top-qcd", "w-qcd"]
    assert commands[-1][0] == "compare"


@pytest.mark.parametrize(
    ("name", "sample", "shown"),
    [
        ("quark_gluon", "quark_gluon", "AUC of multiplicity"),
        ("top_tagging", "top_qcd", "peak of mass"),
        ("w_tagging", "w_qcd", "peak of mass"),
    ],
)
def test_the_whole_samples_are_validated(clone, name, sample, shown):
    whole = ROOT / f"sample_data/{sample}.h5"
    assert shown in make(clone / "pipelines" / name, "validate", f"SAMPLE={whole}")


@pytest.mark.parametrize("name", ["quark_gluon", "top_tagging", "w_tagging"])
def test_larger_scales_simulate_first(clone, name):
    folder = clone / "pipelines" / name
    plan = make(folder, "compare", "SCALE=full", "--dry-run").splitlines()
    commands = [line.split()[1] for line in plan if line.startswith("detcnn ")]
    assert commands[:4] == ["simulate", "preprocess", "train", "evaluate"]
    assert commands[-1] == "compare"
    assert "--jets-per-class 1000000" in "\n".join(plan)
    refused = subprocess.run(
        ["make", "-C", folder, "SCALE=huge"], capture_output=True, text=True, check=False
    )
    assert "expected small, medium or full" in refused.stderr


def test_the_letters_by_hand_are_as_their_readme_says(clone):
    folder = clone / "pipelines" / "o_and_x"
    said = make(folder, "by-hand")
    text = "\n".join(line for line in said.splitlines() if not line.startswith("make"))
    shown = (folder / "README.md").read_text().split("```text\n")[1].split("\n```")[0]
    assert shown == text.strip()
    # The numbers of the lecture.
    for matrix in ("1  0\n0  1\n", "0  1\n1  0\n", " 1  −1  −2  −1\n−1  −2  −1  −2\n"):
        assert matrix in text


def test_the_letters_are_learned_and_moved(clone):
    folder = clone / "pipelines" / "o_and_x"
    options = ("N=100", EPOCH)
    said = make(folder, "symmetry", *options)
    assert "detcnn train" in said
    assert "symmetry-shift/report.html" in said
    assert "detcnn train" not in make(folder, "model", *options)
    assert "detcnn evaluate" in make(folder, "report", "--dry-run")
    assert "detcnn explain work/model" in make(folder, "explain", "--dry-run")


def test_networks_are_trained_compared_and_listed(clone):
    folder = clone / "pipelines" / "networks"
    few = ["NETWORKS=lenet5 dense", EPOCH, f"PYTHON={sys.executable}"]
    make(folder, *few)
    lines = (folder / "work/table.md").read_text().splitlines()
    assert [len(line.split("|")) for line in lines] == [8] * 4
    assert "| 61,326 | 0.7 M |" in "".join(lines)
    assert "detcnn train" not in make(folder, "compare", *few)


def test_every_network_of_the_catalogue_is_in_the_makefile_or_said_to_be_left_out():
    folder = ROOT / "pipelines" / "networks"
    said = set(re.findall(r"\w+", (folder / "Makefile").read_text()))
    said |= set(re.findall(r"\w+", (folder / "README.md").read_text()))
    assert set(NETWORKS) - PER_PIXEL <= said


def test_decays_in_frames_are_found_and_counted(clone):
    folder = clone / "pipelines" / "ccd_decays"
    said = make(folder, "report")
    for name in (
        "mean IoU",
        "IoU of decay",
        "decay: efficiency",
        "decay: corrected number of them",
    ):
        assert f"\n{name}  " in said
    with (folder / "work/small/metrics/metrics.csv").open() as file:
        assert {"iou", "object_efficiency", "object_purity"} <= {
            row["quantity"] for row in csv.DictReader(file) if row["of"] == "decay"
        }
    assert "detcnn train" not in make(folder, "report")
    plan = make(folder, "SCALE=full", "--dry-run")
    assert "--events 3000" in plan


def test_neutrinos_are_selected_from_two_views(clone):
    folder = clone / "pipelines" / "neutrino_views"
    few = ["N_small=120", "SET=--set evaluate.replicas=20"]
    said = make(folder, *few)
    assert "purity of nue_cc" in said
    metrics = json.loads((folder / "work/small/metrics/metrics.json").read_text())
    assert [one["name"] for one in metrics["selections"]["classes"]] == ["nue_cc", "numu_cc", "nc"]
    cuts = metrics["selections"]["cuts"]
    assert [[limit["column"] for limit in cut["limits"]] for cut in cuts] == [
        ["length", "width"],
        ["length", "pixel_sum"],
    ]
    assert (folder / "work/small/metrics/report.html").exists()
    assert "detcnn train" not in make(folder, "model", *few)


def test_pixel_maps_of_dune_take_a_folder(clone):
    folder = clone / "pipelines" / "neutrino_views"
    plan = make(folder, "dune", "DUNE=/maps", "--dry-run").splitlines()
    commands = [line.split()[1] for line in plan if line.startswith("detcnn ")]
    assert commands == ["preprocess", "inspect", "train", "evaluate"]
    assert "--input '/maps/event*.gz'" in "\n".join(plan)
    refused = subprocess.run(
        ["make", "-C", folder, "dune"], capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "make dune DUNE=FOLDER" in refused.stderr


def test_tracks_and_showers_are_told_apart_in_three_views(clone):
    folder = clone / "pipelines" / "liquid_argon"
    said = make(folder, "report")
    for name in ("pixels of the right class", "mean IoU", "IoU of track", "IoU of shower"):
        assert f"\n{name}  " in said
    metrics = folder / "work/small/metrics"
    with (metrics / "metrics.csv").open() as file:
        quantities = {row["quantity"] for row in csv.DictReader(file) if row["of"] == "shower"}
    assert {"iou", "purity", "efficiency", "misclassified"} <= quantities
    assert any(name.startswith("event_misclassified") for name in quantities)
    counts = json.loads((metrics / "metrics.json").read_text())["counts"]
    assert [count["name"] for count in counts] == ["background", "track", "shower"]
    # Of empty pixels none is judged, and those are nearly all.
    contents = json.loads((folder / "work/small/images/manifest.json").read_text())["contents"]
    n_pixels = sum(contents["n_events"]["test"].values()) * 3 * 256 * 256
    assert 0 < sum(count["n_pixels"] for count in counts) < 0.1 * n_pixels
    assert (metrics / "figures/displays.png").exists()
    assert "detcnn train" not in make(folder, "model")
    assert "--events 10000" in make(folder, "SCALE=full", "--dry-run")


def test_the_particle_and_the_energy_of_showers_come_from_one_network(clone):
    folder = clone / "pipelines" / "shower_energy"
    # Braces and spaces come through make as they are.
    more = "SET=--set 'evaluate.efficiency_bins=[{column: energy, bins: 2}]'"
    said = make(folder, "report", "N_small=150", more)
    for name in ("particle, accuracy", "energy: width of the pull"):
        assert f"\n{name}  " in said
    metrics = json.loads((folder / "work/small/metrics/metrics.json").read_text())
    assert metrics["energy"]["energy"]["name"] == "energy"
    assert metrics["particle"]["confusion"]["classes"] == ["electron", "photon", "pion"]
    assert "detcnn train" not in make(folder, "model", "N_small=150", more)
    assert "--events 100000" in make(folder, "SCALE=full", "--dry-run")


def write_hits(path, n_events):
    """Two tables without column names: flashes about a vertex, hits in number as its energy."""
    rng = np.random.default_rng(4)
    hits, truth = [], []
    for event in range(1, n_events + 1):
        x, y, z = rng.uniform(-700, 700, 3)
        energy = rng.uniform(0.5, 5)
        n_hits = rng.poisson(100 * energy)
        # The axes of the hits are z, y and −x of the vertex.
        place = 20 * np.round(rng.normal([z, y], 80, (n_hits, 2)) / 20)
        end = np.where(rng.random(n_hits) < 0.5 - x / 4000, 2003.5, -2003.5)
        number, rest = np.full(n_hits, event), np.ones(n_hits)
        hits.append(np.column_stack([number, rest, place, end, rng.uniform(5, 100, n_hits), rest]))
        truth.append([event, x, y, z, 1.5, 3.0, 0.0, energy, 11])
    with h5py.File(path, "w") as file:
        file["HitData"] = np.concatenate(hits).astype(np.float32)
        file["TruthData"] = np.array(truth, dtype=np.float32)
    return path


def test_energies_are_learned_from_columns_without_names(clone, tmp_path):
    folder = clone / "pipelines" / "scintillator_energy"
    options = (
        f"HITS={write_hits(tmp_path / 'hits.h5', 60)}",
        f"WORK={tmp_path / 'work'}",
        f"{EPOCH} --set train.epochs=5 --set evaluate.replicas=20",
    )
    assert "\nenergy: width of the pull  " in make(folder, "report", *options)
    with (tmp_path / "work/metrics/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    (absolute,) = (float(r["value"]) for r in rows if r["quantity"] == "mean_absolute")
    # In MeV: below the 1.1 of a constant, above nothing.
    assert 0.01 < absolute < 1.1
    missing = subprocess.run(
        ["make", "-C", folder, "images", "HITS=none.h5", f"WORK={tmp_path / 'none'}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode != 0
    assert "none.h5: not there: make HITS=" in missing.stderr


def test_air_showers_are_segmented_and_their_energies_learned(clone, tmp_path):
    folder = clone / "pipelines" / "air_showers"
    small = f"{EPOCH} --set evaluate.replicas=20 --set evaluate.displays=1"
    options = (small, f"WORK={tmp_path / 'work'}")
    assert "\nIoU of shower  " in make(folder, "report-study", *options)
    with (tmp_path / "work/study/metrics/metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["column"] == "energy"]
    assert "iou" in {row["quantity"] for row in rows}
    model = tmp_path / "work/energy/model/manifest.json"
    assert "validation_rmse" in make(folder, model, *options)
    assert "detcnn preprocess" not in make(folder, model, *options)
    plan = make(folder, "report", *options, "--dry-run")
    assert plan.count("detcnn train") == plan.count("detcnn evaluate") == 2


def test_air_showers_that_are_not_there_are_asked_for(clone, tmp_path):
    folder = clone / "pipelines" / "air_showers"
    options = ["make", "-C", folder, f"WORK={tmp_path / 'work'}", f"DATA={tmp_path}"]
    for lacking in ("*.jsonl.gz: not there: make DATA=", "pixel-map.csv: not there: put"):
        done = subprocess.run(options, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert f"{tmp_path}/{lacking}" in done.stderr
        (tmp_path / "showers.jsonl.gz").touch()
