"""In which unit a report tells what was regressed: that of the images, or one asked for."""

import json

import h5py
import numpy as np
import pytest

from detcnn.config.loading import load_study
from detcnn.errors import ConfigError
from detcnn.stages import evaluate, preprocess, train
from detcnn.stages.judging import regression
from detcnn.storage.csv_tables import read_csv
from detcnn.storage.reader import open_store

N_EVENTS = 60

STUDY = """
name: units
preprocess:
  sources:
    - {path: energies.h5, images: {images: events}, pixels: {charge: {column: charge}}}
  split: {train: 0.5, validation: 0.25, test: 0.25}
train:
  task: {name: regression, targets: [energy], loss: gaussian}
  network: {name: plain_cnn, options: {blocks: [{filters: 2, pool: 2}], dense: [4]}}
  epochs: 1
  early_stopping: null
evaluate: {replicas: 10, efficiency_bins: [{column: energy, bins: 2}, {column: depth, bins: 2}]}
"""


def write(path, *, seed=0, **units):
    rng = np.random.default_rng(seed)
    images = rng.random((N_EVENTS, 6, 6)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file["images"], file["charge"] = images, images
        file["energy"] = 1000 * images.sum(axis=(1, 2))
        file["depth"], file["n_pe"] = rng.uniform(1, 9, N_EVENTS), rng.uniform(1, 9, N_EVENTS)
        file["event_id"] = np.arange(N_EVENTS) + 1000 * seed
        for name, unit in units.items():
            file[name].attrs["unit"] = unit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    write(folder / "energies.h5", energy="MeV", depth="cm", charge="pe")
    (folder / "study.yaml").write_text(STUDY)
    study = load_study(folder / "study.yaml")
    preprocess.run(study.preprocess, base=folder, output=folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "write_figure", lambda *_: None)
        train.run(study.train, images=folder / "images", output=folder / "model")
    return folder


@pytest.fixture
def judged(folder, tmp_path, monkeypatch):
    """Return metrics and headline of the study with overrides, without figures."""
    monkeypatch.setattr(regression, "regression_sections", lambda *_: ())
    monkeypatch.setattr(evaluate, "write_figure", lambda *of, **options: None)

    def judged(*overrides, **options):
        study = load_study(folder / "study.yaml", overrides)
        result = evaluate.run(
            study.evaluate,
            model=folder / "model",
            images=folder / "images",
            scores=tmp_path / "scores",
            output=tmp_path / "metrics",
            overwrite=True,
            title="units",
            **options,
        )
        numbers = json.loads((result.artifact.path / "metrics.json").read_text())
        return numbers["energy"], result

    return judged


def test_the_store_knows_the_unit_of_each_column_that_states_it(folder):
    schema = open_store(folder / "images" / "images.zarr").schema
    # MeV became GeV; the others are as in the file.
    assert schema.column_units == {"energy": "GeV", "depth": "cm"}
    assert schema.truth_of("charge").unit == "pe"


def test_a_number_is_told_in_the_unit_of_the_images_or_in_the_one_asked_for(judged):
    plain, _ = judged()
    told, result = judged("evaluate.units={energy: MeV, depth: m}")
    assert (plain["unit"], told["unit"]) == ("GeV", "MeV")
    for quantity in ("mean", "rms", "half_width"):
        stored = plain["absolute"][quantity]
        for end in ("value", "low", "high"):
            assert told["absolute"][quantity][end] == pytest.approx(1000 * stored[end])
        # A ratio has no unit.
        assert told["relative"][quantity]["value"] == pytest.approx(
            plain["relative"][quantity]["value"]
        )
    # σ turns with the number that it is of.
    assert told["pull"]["width"]["value"] == pytest.approx(plain["pull"]["width"]["value"])
    factors = {"energy": 1000, "depth": 0.01}
    units = {"energy": ("GeV", "MeV"), "depth": ("cm", "m")}
    for of_plain, of_told in zip(plain["profiles"], told["profiles"], strict=True):
        column = of_plain["column"]
        assert (of_plain["unit"], of_told["unit"]) == units[column]
        expected = factors[column] * np.array(of_plain["edges"])
        np.testing.assert_allclose(of_told["edges"], expected, rtol=1e-9)
        assert of_told["n_entries"] == of_plain["n_entries"]
    rows = read_csv(result.artifact.path / "metrics.csv")
    (bias,) = (r for r in rows if r["quantity"] == "bias" and not r["column"])
    assert float(bias["value"]) == told["absolute"]["mean"]["value"]
    page = (result.artifact.path / "report.html").read_text()
    assert "Units of columns" in page


def test_bins_are_given_in_the_unit_that_the_column_is_told_in(judged):
    bins = "evaluate.efficiency_bins=[{column: energy, bins: 2, low: 15000, high: 21000}]"
    told, _ = judged("evaluate.units={energy: MeV}", bins)
    assert told["linearity"]["edges"] == [15000, 18000, 21000]
    assert sum(told["linearity"]["n_entries"][0]) > 0


def test_a_unit_of_what_has_none_states_it_and_says_so(judged, folder, Listener):
    heard = Listener()
    study = "evaluate.efficiency_bins=[{column: n_pe, bins: 2}]"
    told, _ = judged("evaluate.units={n_pe: pe}", study, progress=heard)
    (profile, *_) = (p for p in told["profiles"] if p["column"] == "n_pe")
    assert profile["unit"] == "pe"
    assert 1 <= profile["edges"][0] < profile["edges"][-1] <= 9.1
    (remark,) = (text for text in heard.said if "evaluate.units" in text)
    assert "n_pe is taken to be in pe already" in remark


@pytest.mark.parametrize(
    ("units", "fault"),
    [
        ("{energy: mm}", r"units: energy is in GeV, which cannot be told in 'mm': expected one"),
        ("{charge: MeV}", r"units: charge is in pe, which cannot be told in 'MeV'"),
        ("{enrgy: MeV}", r"units: no column 'enrgy' in the images; there are: .*energy.*charge"),
    ],
)
def test_a_unit_that_cannot_be(judged, tmp_path, units, fault):
    with pytest.raises(ConfigError, match=fault):
        judged(f"evaluate.units={units}")
    # Before anything is scored.
    assert not list(tmp_path.iterdir())


def test_sources_that_state_other_units_of_a_column(tmp_path):
    for number, unit in enumerate(("mm", "mm", "cm")):
        write(tmp_path / f"{number}.h5", seed=number, depth=unit)
    write(tmp_path / "3.h5", seed=3)
    (tmp_path / "study.yaml").write_text(STUDY)

    def units_of(*numbers, key=""):
        each = [f"{{path: {i}.h5, images: {{images: events}}{key}}}" for i in numbers]
        study = load_study(tmp_path / "study.yaml", [f"preprocess.sources=[{', '.join(each)}]"])
        made = preprocess.run(
            study.preprocess, base=tmp_path, output=tmp_path / "images", overwrite=True
        )
        return made.artifact.manifest.contents["column_units"]

    assert units_of(0, 1) == {"depth": "mm"}
    # One that states nothing goes with the others, as nothing is turned.
    assert units_of(0, 3) == {"depth": "mm"}
    assert units_of(0, 2, key=", units: {depth: cm}") == {"depth": "cm"}
    with pytest.raises(ConfigError, match=r"2\.h5: column 'depth' is in cm, but 0\.h5 has it in"):
        units_of(0, 2)
    write(tmp_path / "0.h5", energy="MeV")
    told = r"3\.h5: column 'energy' is in a unit that nothing states, but 0\.h5 has it in MeV"
    with pytest.raises(ConfigError, match=told):
        units_of(0, 3)
