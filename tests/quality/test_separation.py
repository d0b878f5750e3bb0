import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from detcnn.quality.sampling import ColumnSample
from detcnn.quality.separation import (
    auc,
    constant_column_findings,
    kolmogorov_distance,
    separating_column_findings,
    spectrum_findings,
)

CLASSES = {0: "gluon", 1: "quark"}


def sample_of(columns, classes, *, block=37, **options):
    sample = ColumnSample(**options)
    for start in range(0, len(classes), block):
        part = slice(start, start + block)
        sample.add({name: values[part] for name, values in columns.items()}, classes[part])
    return sample


def test_area_and_distance_agree_with_other_implementations():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 20, 300) / 1.0, generator.integers(3, 25, 200) / 1.0
    is_first = np.repeat([1, 0], [300, 200])
    expected = roc_auc_score(is_first, np.concatenate([first, second]))
    assert auc(first, second) == pytest.approx(expected)
    assert kolmogorov_distance(first, second) == pytest.approx(
        stats.ks_2samp(first, second).statistic
    )


def test_a_sample_keeps_all_of_few_events():
    classes = np.array([0, 1, -1, 1, 0])
    sample = sample_of({"pt": np.arange(5.0)}, classes, block=2)
    assert sorted(sample.of_class(0, "pt")) == [0, 4]
    assert sorted(sample.of_class(1, "pt")) == [1, 3]
    assert sample.class_numbers == (0, 1)
    assert sample.of_class(7, "pt").tolist() == []
    assert sample.ranges == {"pt": (0, 4)}


def test_a_sample_of_many_is_bounded_unbiased_and_independent_of_blocks():
    n = 20_000
    columns = {"row": np.arange(n, dtype=np.float64)}
    classes = (np.arange(n) % 3 == 0).astype(np.int64)
    samples = [sample_of(columns, classes, block=block, most=500) for block in (64, 999, n)]
    kept = [np.sort(sample.of_class(0, "row")) for sample in samples]
    assert len(kept[0]) == 500
    assert kept[0].tolist() == kept[1].tolist() == kept[2].tolist()
    # A uniform choice of rows: mean and spread as expected, at five standard errors.
    assert abs(kept[0].mean() - n / 2) < 5 * n / np.sqrt(12 * 500)
    assert samples[0].ranges == {"row": (0, n - 1)}


def test_columns_that_not_all_blocks_have_are_left_out():
    sample = ColumnSample()
    sample.add({"a": np.ones(3), "b": np.ones(3)}, np.zeros(3, dtype=np.int64))
    sample.add({"b": np.zeros(2), "c": np.ones(2)}, np.zeros(2, dtype=np.int64))
    assert sample.ranges == {"b": (0, 1)}
    assert len(sample.of_class(0, "b")) == 5


def test_constant_columns_are_named():
    classes = np.zeros(50, dtype=np.int64)
    columns = {"z": np.full(50, 2), "a": np.full(50, 0.5), "pt": np.arange(50)}
    (finding,) = constant_column_findings(sample_of(columns, classes))
    assert (finding.severity, finding.count) == ("warning", 2)
    assert finding.message.endswith(": a, z")
    columns = {"pt": np.arange(50)}
    assert constant_column_findings(sample_of(columns, classes)) == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_column_that_separates_is_named(sign):
    generator = np.random.default_rng(1)
    classes = generator.integers(0, 2, 400)
    noise = generator.normal(size=400)
    columns = {"truth": sign * (noise + 10.0 * classes), "mass": noise + classes, "other": noise}
    (finding,) = separating_column_findings(sample_of(columns, classes), CLASSES)
    assert (finding.severity, finding.count) == ("warning", 1)
    assert ": truth (quark: 1.0000)" in finding.message
    del columns["truth"]
    assert separating_column_findings(sample_of(columns, classes), CLASSES) == ()


def test_few_events_separate_nothing():
    classes = np.repeat([0, 1], 19)
    columns = {"truth": classes * 1.0}
    assert separating_column_findings(sample_of(columns, classes), CLASSES) == ()
    assert separating_column_findings(sample_of(columns, classes * 0), {0: "gluon"}) == ()


def test_one_class_of_three_stands_apart():
    classes = np.repeat([0, 1, 2], 50)
    columns = {"flag": (classes == 2) * 1.0}
    names = {0: "a", 1: "b", 2: "c"}
    (finding,) = separating_column_findings(sample_of(columns, classes), names)
    assert "flag (c: 1.0000)" in finding.message


def test_spectra_that_differ_are_a_warning():
    generator = np.random.default_rng(2)
    first, second = generator.uniform(500, 550, 2000), 500 + 50 * generator.random(2000) ** 1.5
    (finding,) = spectrum_findings([first, second], ["q", "g"], column="pt")
    assert (finding.check, finding.severity) == ("spectra", "warning")
    expected = stats.ks_2samp(first, second).statistic
    assert f"distance {expected:.3f}" in finding.message
    assert f"AUC {auc(first, second):.3f}" in finding.message


@pytest.mark.parametrize("size", [10, 300, 5000])
def test_equal_spectra_are_fine(size):
    generator = np.random.default_rng(3)
    spectra = [generator.exponential(1, size) for _ in range(3)]
    assert spectrum_findings(spectra, ["a", "b", "c"], column="pt") == ()


def test_a_significant_difference_that_does_not_matter_is_fine():
    shift = 0.01
    spectra = [np.arange(100_000) / 100_000, np.arange(100_000) / 100_000 + shift]
    assert stats.ks_2samp(*spectra).pvalue < 1e-3
    assert spectrum_findings(spectra, ["a", "b"], column="pt") == ()
