import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from detcnn.config.loading import dump_study, load_study, study_schema
from detcnn.config.presets import IMAGE_PRESETS
from detcnn.config.study import Study
from detcnn.errors import ConfigError

# One study is written over and over.
REUSED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

LEAST = """\
name: test
preprocess:
  sources: [{path: jets.h5}]
  image: {preset: komiske2017}
"""

FULL = """\
name: everything
description: "A sentence: with a colon, 'quotes' and \\u03b7\\u2013\\u03c6."
output: some/where
preprocess:
  sources:
    - {path: a.h5, layout: padded, class: QCD, constituents: {pt: "X[..., 0]"}, units: {pt: MeV}}
    - {path: b.h5, columns: {label: truth}, event_id: [run, event], images: {QCD: qcd}}
  classes: {light: [0, 1], b: 5}
  image:
    preset: aligned_pt
    grid: {pixels: [16, 32]}
    channels:
      - {name: charged, of: charged, weight: energy}
      - {name: kaons, of: [321, -321], weight: count}
    image_steps: [{step: downsample, pixels: [2, 1], by: mean}, {step: scale, by: asinh, unit: 2}]
  split: {train: 0.5, validation: 0.25, test: 0.25, salt: 3}
  planing: {low: 0, high: 1e3}
  balance_classes: false
train:
  network: {name: plain_cnn, options: {blocks: [{channels: 8}], dropout: 1e-3, norm: null}}
  standardise: null
  optimiser: {name: sgd, learning_rate: 5e-2, nesterov: true}
  schedule: {name: plateau}
  early_stopping: null
  augment: [{policy: shift}, {policy: noise, sigma: 0.5}]
  gradient_clip: 1
evaluate:
  signal: b
  efficiency_bins: [{column: pt, low: 500}]
"""


@pytest.fixture
def load(tmp_path):
    """Load a study from text, with overrides."""

    def load(text=LEAST, *overrides):
        path = tmp_path / "study.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_study(path, overrides)

    return load


def refusal(call, *arguments):
    """Return the one line that a refused study is answered with."""
    with pytest.raises(ConfigError) as caught:
        call(*arguments)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# YAML 1.2


@pytest.mark.parametrize("text", ["1e-3", "1.0e-3", "1E-3", "0.001", ".001", "+1e-3"])
def test_exponents_are_numbers(load, text):
    study = load(LEAST + f"train: {{optimiser: {{name: adam, learning_rate: {text}}}}}")
    assert study.train.optimiser.learning_rate == 1e-3


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "12:30", "2001-01-01", "2001-13-45", "2001-01-01 12:00"]
)
def test_what_other_readers_make_something_of_is_text(load, text):
    assert load(LEAST + f"description: {text}").description == text


def test_octal_numbers_are_not_guessed(load):
    assert load(LEAST + "train: {seed: 010}").train.seed == 10


def test_anchors_may_be_used_and_used_again(load):
    study = load(LEAST + "train: {seed: &a 3}\nevaluate: {seed: &a 4, replicas: *a}")
    assert (study.train.seed, study.evaluate.seed, study.evaluate.replicas) == (3, 4, 4)


# Faults


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("trian: {}", "unknown key 'trian': did you mean 'train'?"),
        ("train: {epoch: 3}", "unknown key 'train.epoch': did you mean 'epochs'?"),
        (
            "train: {optimiser: {name: adam, learning_rat: 1}}",
            "unknown key 'train.optimiser.learning_rat': did you mean 'learning_rate'?",
        ),
        (
            "train: {optimiser: {name: adam, momentum: 0.9}}",
            "'train.optimiser.momentum': expected one of learning_rate, name, weight_decay",
        ),
        (
            "train: {augment: [{policy: flip}, {policy: shift, max_pixel: 2}]}",
            "unknown key 'train.augment.1.max_pixel': did you mean 'max_pixels'?",
        ),
        (
            "evaluate: {efficiency_bins: [{column: pt, bin: 2}]}",
            "unknown key 'evaluate.efficiency_bins.0.bin': did you mean 'bins'?",
        ),
        ("1: x", "unknown key '1': expected one of audit, description, evaluate, name, output,"),
        ("train: {epochs: '3'}", 'train.epochs: input should be a valid integer (found "3")'),
        ("train: {epochs: 3.0}", "train.epochs: input should be a valid integer (found 3.0)"),
        ("train: {epochs: true}", "train.epochs: input should be a valid integer (found true)"),
        ("train: {epochs: 0}", "train.epochs: input should be greater than 0 (found 0)"),
        ("train:", "train: input should be an object (found null)"),
        ("description: no\ntrain: {seed: -1}", "train.seed: input should be greater than or equal"),
        ("train: {optimiser: {name: adm}}", "train.optimiser: input tag 'adm' found using 'name'"),
        ("train: {schedule: {}}", "train.schedule: unable to extract tag"),
        ("evaluate: {working_points: [0.5, 1]}", "evaluate.working_points.1: input should be less"),
        (
            "evaluate: {efficiency_bins: [{column: pt, low: 2, high: 2}]}",
            "evaluate.efficiency_bins.0: low 2 is not below high 2",
        ),
        ("name: again", 'study.yaml, line 5: not valid YAML: found duplicate key "name"'),
        ("train: {seed: 1, seed: 2}", 'line 5: not valid YAML: found duplicate key "seed"'),
        (
            "train: {optimiser: {name: adam, learning_rate: .nan}}",
            "line 5: not valid YAML: found .n",
        ),
        (
            "train: {network: {options: {a: [-.inf]}}}",
            "line 5: not valid YAML: found -.inf, expect",
        ),
        (
            "train: {network: {options: {a: 1e999}}}",
            "line 5: not valid YAML: found 1e999, expected",
        ),
        ("train: {network: {options: !!set {a}}}", "could not determine a constructor for the tag"),
        ("train: !!python/object:os.system x", "could not determine a constructor for the tag"),
        ("train: {seed: !!int x}", "not valid YAML: invalid literal"),
        ("train: {seed: !!bool x}", "not valid YAML: "),
        ("train: {seed: !!float ''}", "not valid YAML: "),
        ("train: &a {network: {options: *a}}", "Circular reference"),
        ("? [a, b]\n: c", "keys must be"),
        ('description: "a\n\n  b"\ndescription: c', 'found duplicate key "description"'),
        ("train: {epochs: ", "not valid YAML"),
        ("train: *nothing", "line 5: not valid YAML: found undefined alias"),
        ("--- {}", "not valid YAML"),
        ("description: \x07", "not valid YAML: unacceptable character"),
        ('description: "\\ud800"', "study: invalid JSON"),
        ("train: " + "[" * 400, "not valid YAML"),
    ],
)
def test_faults(load, more, fault):
    message = refusal(load, LEAST + more)
    assert fault in message
    assert "study.yaml" in message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "expected sections such as 'preprocess:', found no mapping"),
        (b"- a\n- b", "found no mapping"),
        (b"just text", "found no mapping"),
        (b"name: t", "'preprocess' is missing"),
        (b"name: t\npreprocess: null", "preprocess: input should be an object (found null)"),
        (b"name: t\npreprocess: {sources: []}", "preprocess.sources: tuple should have at least 1"),
        (b"name: t\npreprocess: {sources: [{}]}", "'preprocess.sources.0.path' is missing"),
        (
            b"name: t\npreprocess: {sources: [{path: a}, {pth: b, path: c}]}",
            "unknown key 'preprocess.sources.1.pth': did you mean 'path'?",
        ),
        (
            b"name: t\npreprocess: {sources: [{path: a, class_name: x}]}",
            "unknown key 'preprocess.sources.0.class_name': did you mean 'class'?",
        ),
        (
            b"name: t\npreprocess: {sources: [{path: a, units: {pt: parsec}}]}",
            "preprocess.sources.0.units.pt: input should be 'GeV', 'MeV', 'TeV', 'eV',",
        ),
        (b"name: caf\xe9", "not a text file in UTF-8"),
        (b"\xff\xfen\x00", "not a text file in UTF-8"),
    ],
)
def test_faults_of_whole_files(load, text, fault):
    assert fault in refusal(load, text)


def test_what_is_done_elsewhere_is_said_to_be(load):
    step = "preprocess.image_steps=[{step: clip, at: 2}]"
    assert refusal(load, LEAST, step).endswith(": large pixels are cut by train.standardise.clip")
    assert "cut" not in refusal(load, LEAST, "preprocess.image_steps=[{step: clap}]")


def test_only_the_innermost_fault_is_told(load):
    override = "preprocess.image.channels=[{name: a, of: [211, x]}]"
    assert refusal(load, LEAST, override).endswith(
        'study.yaml: preprocess.image.channels.0.of.1: input should be a valid integer (found "x")'
    )


def test_all_faults_are_told_at_once(load):
    message = refusal(load, LEAST + "train: {epochs: 0, seeds: 1}\nevaluate: {level: 2}")
    for fault in ("train.epochs", "'train.seeds'", "evaluate.level"):
        assert fault in message


def test_long_values_are_shortened(load):
    assert len(refusal(load, LEAST + f"train: {{epochs: {'x' * 5000}}}")) < 300


@pytest.mark.parametrize(("make", "reason"), [(None, "No such file"), ("mkdir", "Is a directory")])
def test_unreadable(tmp_path, make, reason):
    path = tmp_path / "study.yaml"
    if make:
        path.mkdir()
    assert refusal(load_study, path) == f"{path}: cannot be read: {reason}" + (
        " or directory" if not make else ""
    )


# Presets


@pytest.mark.parametrize("name", IMAGE_PRESETS)
def test_presets_are_complete(load, name):
    image = load(LEAST, f"preprocess.image={{preset: {name}}}").preprocess.image
    assert image.preset == name
    assert image.longitudinal == IMAGE_PRESETS[name]["longitudinal"]
    assert len(image.channels) == len(IMAGE_PRESETS[name]["channels"])


def test_komiske2017_is_as_published(load):
    image = load().preprocess.image
    assert (image.grid.pixels, image.grid.width, image.longitudinal) == (33, 0.8, "rapidity")
    assert [(c.name, c.weight, c.of) for c in image.channels] == [
        ("charged_pt", "pt", "charged"),
        ("neutral_pt", "pt", "neutral"),
        ("charged_count", "count", "charged"),
    ]
    centre, normalise = image.align
    assert (centre.on, centre.snap, normalise.by) == ("pt_centroid", True, "l1")


def test_a_study_goes_before_its_preset(load):
    image = load(
        LEAST.replace(
            "{preset: komiske2017}", "{preset: komiske2017, grid: {pixels: 65}, align: []}"
        )
    ).preprocess.image
    assert (image.grid.pixels, image.grid.width, image.align) == (65, 0.8, ())
    assert len(image.channels) == 3


@pytest.mark.parametrize("preset", ["komiske", "[a]", "3", "{a: b}"])
def test_an_unknown_preset(load, preset):
    message = refusal(load, LEAST, f"preprocess.image.preset={preset}")
    assert "study.yaml: preprocess.image.preset: unknown preset" in message
    assert f"expected one of {', '.join(IMAGE_PRESETS)}" in message


def test_an_image_without_preset_is_spelled_out(load):
    message = refusal(load, LEAST, "preprocess.image={longitudinal: eta}")
    assert "'preprocess.image.grid' is missing; 'preprocess.image.channels' is missing" in message


# Overrides


@pytest.mark.parametrize(
    ("overrides", "read", "expected"),
    [
        (["train.epochs=3"], lambda s: s.train.epochs, 3),
        (["train.epochs=3", "train.epochs=4"], lambda s: s.train.epochs, 4),
        (["name=a=b"], lambda s: s.name, "a=b"),
        (["description="], lambda s: s.description, None),
        (["preprocess.sources.0.path=b.h5"], lambda s: str(s.preprocess.sources[0].path), "b.h5"),
        (["preprocess.sources.0.class=QCD"], lambda s: s.preprocess.sources[0].class_name, "QCD"),
        (["preprocess.classes=[b, a]"], lambda s: s.preprocess.classes, ("b", "a")),
        (["train.standardise=null"], lambda s: s.train.standardise, None),
        (
            ["train.network.options.dropout=1e-2"],
            lambda s: s.train.network.options["dropout"],
            0.01,
        ),
        (["preprocess.image.grid.pixels=65"], lambda s: s.preprocess.image.grid.pixels, 65),
        (
            ["preprocess.image.align.0.on=hardest"],
            lambda s: s.preprocess.image.align[0].on,
            "hardest",
        ),
        (["preprocess.image.align.1.by=l2"], lambda s: len(s.preprocess.image.align), 2),
        (["preprocess.image.preset=jet_pt"], lambda s: len(s.preprocess.image.channels), 1),
        (
            ["preprocess.image.preset=aligned_pt", "preprocess.image.align.2.axis=both"],
            lambda s: s.preprocess.image.align[2].axis,
            "both",
        ),
    ],
)
def test_overrides(load, overrides, read, expected):
    if expected is None and overrides == ["description="]:
        assert "description: input should be a valid string" in refusal(load, LEAST, *overrides)
    else:
        assert read(load(LEAST, *overrides)) == expected


@pytest.mark.parametrize(
    ("task", "per"),
    [
        ("classification", "pixel"),
        ("{name: multi-label, labels: [a]}", "pixel"),
        ("{name: regression, targets: [a]}", "pixel"),
        ("segmentation", "channel"),
        ("{pixels: filled, name: segmentation}", "channel"),
        ("{name: pixel-regression, truth: a}", "channel"),
        ("localisation", "channel"),
    ],
)
def test_images_are_standardised_as_the_task_needs(load, task, per):
    def standardise(*overrides):
        return load(LEAST, f"train.task={task}", *overrides).train.standardise

    assert standardise().per == per
    assert standardise("train.standardise.clip=0.5").per == per
    assert standardise("train.standardise.clip=0.5").clip == 0.5
    for explicit in ("pixel", "channel"):
        assert standardise(f"train.standardise.per={explicit}").per == explicit
    assert standardise("train.standardise=null") is None
    # A study that says nothing is the one that says so.
    silent, told = (
        load(LEAST, f"train.task={task}", *more).train.identity()
        for more in ((), (f"train.standardise.per={per}",))
    )
    assert silent == told


def test_overrides_leave_presets_alone(load):
    before = repr(IMAGE_PRESETS)
    load(LEAST, "preprocess.image.align.0.on=hardest", "preprocess.image.grid.pixels=9")
    assert repr(IMAGE_PRESETS) == before


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("train.epochs", "--set train.epochs: expected section.key=value"),
        ("=3", "--set =3: expected section.key=value"),
        ("", "--set : expected section.key=value"),
        ("train.epochs=[", "--set train.epochs=[, line 1: not valid YAML"),
        ("train.epochs=.nan", "not valid YAML: found .nan"),
        ("train.epoch=3", "unknown key 'train.epoch': did you mean 'epochs'?"),
        ("preprocess.sources.1.path=a", "'1' is no position in a list of 1; the first is 0"),
        ("preprocess.sources.²=a", "'²' is no position in a list of 1"),
        ("preprocess.sources.-1=a", "'-1' is no position in a list of 1"),
        ("preprocess.sources.x.path=a", "'x' is no position in a list of 1"),
        ("preprocess.sources.0.path.x=a", "there is nothing to set 'x' in"),
        ("name.x.y=a", "there is nothing called 'x' there"),
        ("preprocess..x=a", "unknown key 'preprocess.'"),
        ("train.augment.0.policy=flip", "train.augment: input should be a valid array"),
    ],
)
def test_bad_overrides(load, override, fault):
    assert fault in refusal(load, LEAST, override)


# Round trips


@pytest.mark.parametrize("text", ["least", "full"])
def test_what_is_printed_can_be_read(load, text):
    study = load(LEAST if text == "least" else FULL)
    printed = dump_study(study)
    assert load(printed) == study
    assert dump_study(load(printed)) == printed


@settings(REUSED, max_examples=40)
@given(st.text(), st.floats(allow_nan=False, allow_infinity=False), st.integers(0))
def test_any_value_survives_printing(load, text, number, seed):
    study = load().model_copy(update={"description": text})
    train = study.train.model_copy(update={"seed": seed})
    network = train.network.model_copy(update={"options": {"a": number, "b": [text, None]}})
    train = train.model_copy(update={"network": network})
    study = study.model_copy(update={"train": train})
    assert load(dump_study(study)) == study


@REUSED
@given(st.text() | st.text(alphabet="{}[]:,-?&*!|>'\"%@`# \n\tabc01."))
def test_junk_is_refused_or_read(load, text):
    for content in (text, LEAST + text, f"{LEAST}train: {text}"):
        message = ""
        try:
            assert isinstance(load(content.encode(errors="replace")), Study)
        except ConfigError as error:
            message = str(error)
        assert len(message.splitlines()) <= 1


@REUSED
@given(st.binary())
def test_bytes_are_refused(load, content):
    refusal(load, content)


# The schema


def _resolve(schema, node):
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _faults(schema, node, value, where="study"):
    """Yield what a validator of the few keywords that the schema uses would say."""
    node = _resolve(schema, node)
    for word in ("anyOf", "oneOf"):
        if word in node:
            branches = [list(_faults(schema, branch, value, where)) for branch in node[word]]
            if all(branches):
                yield from min(branches, key=len)
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    if "type" in node and not isinstance(value, kinds[node["type"]]):
        yield f"{where}: {value!r} is no {node['type']}"
        return
    if ("enum" in node and value not in node["enum"]) or node.get("const", value) != value:
        yield f"{where}: {value!r}"
    if isinstance(value, dict):
        properties = node.get("properties", {})
        for key in node.get("required", []):
            if key not in value:
                yield f"{where}.{key} is missing"
        for key, entry in value.items():
            inner = properties.get(key, node.get("additionalProperties", True))
            if inner is False:
                yield f"{where}.{key} is unknown"
            elif inner is not True:
                yield from _faults(schema, inner, entry, f"{where}.{key}")
    if isinstance(value, list) and isinstance(node.get("items"), dict):
        for i, entry in enumerate(value):
            yield from _faults(schema, node["items"], entry, f"{where}.{i}")


def _schema_faults(text):
    schema = study_schema()
    return list(_faults(schema, schema, YAML(typ="safe", pure=True).load(text)))


def test_every_reference_of_the_schema_leads_somewhere():
    schema = study_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    names = set(re.findall(r"'#/\$defs/(\w+)'", str(schema)))
    assert names == set(schema["$defs"])


@pytest.mark.parametrize("text", ["least", "full"])
def test_the_schema_takes_studies_and_what_is_printed(load, text):
    text = LEAST if text == "least" else FULL
    assert _schema_faults(text) == []
    assert _schema_faults(dump_study(load(text))) == []


def test_the_schema_takes_a_preset_that_is_changed():
    changed = LEAST.replace("{preset: komiske2017}", "{preset: jet_pt, grid: {pixels: 65}}")
    assert _schema_faults(changed) == []


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("train: {epoch: 3}", "study.train.epoch is unknown"),
        ("train: {epochs: x}", "study.train.epochs: 'x' is no integer"),
        ("evaluate: {split: tset}", "study.evaluate.split: 'tset'"),
    ],
)
def test_the_schema_finds_faults(more, fault):
    assert _schema_faults(LEAST + more) == [fault]
