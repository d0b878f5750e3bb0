"""FITS: cubes and single frames, scaled and packed pixels, keywords, and what is wrong with any."""

import gzip
import io
import pickle
import sys
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

from detcnn.errors import ConfigError, DataError, MissingExtraError, StorageError
from detcnn.simulation.fits_file import write_frames
from detcnn.simulation.image_sample import ImageSample
from detcnn.sources.base import Layout
from detcnn.sources.formats.fits import FITS
from detcnn.sources.opening import open_source

fits = pytest.importorskip("astropy.io.fits")
fits_images = pytest.importorskip("detcnn.sources.formats.fits_images")
fits_checksums = pytest.importorskip("detcnn.sources.formats.fits_checksums")

EXPOSURE = Layout(kind="images", class_name="exposure")


@pytest.fixture
def frames():
    return np.arange(5 * 20 * 24).reshape(5, 20, 24).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    """Write units: ``write(first, second, …, EXPTIME=3.0)``; keywords go into the first."""

    def write(*units, name="in.fits", checksum=False, **keywords):
        made = [fits.PrimaryHDU(units[0]) if isinstance(units[0], np.ndarray) else units[0]]
        made[0].header.update(keywords)
        fits.HDUList([*made, *units[1:]]).writeto(tmp_path / name, checksum=checksum)
        return tmp_path / name

    return write


def datasets(path, layout=None):
    with FITS.open(path, layout or Layout()) as container:
        return container.datasets()


def images(path, layout=EXPOSURE):
    source = pickle.loads(pickle.dumps(open_source(path, layout)))
    return source.read(0, 0, source.samples[0].n_events).images.values


def test_a_cube_has_an_event_in_each_frame(write, frames):
    path = write(frames)
    source = open_source(path, EXPOSURE)
    assert source.format_name == "FITS"
    assert source.image_shape == (1, 20, 24)
    assert source.samples[0].n_events == 5
    np.testing.assert_array_equal(source.read(0, 1, 4).images.values[:, 0], frames[1:4])


def test_a_picture_is_one_event(write, frames):
    path = write(frames[2])
    np.testing.assert_array_equal(images(path), frames[np.newaxis, 2:3])


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_types(write, frames, dtype):
    values = (frames % 100 + (40_000 if dtype == "u2" else 0)).astype(dtype)
    path = write(values)
    assert datasets(path)["images"].dtype == np.dtype(dtype)
    np.testing.assert_array_equal(images(path)[:, 0], values.astype(np.float32))


def test_values_are_scaled(write, frames):
    unit = fits.PrimaryHDU(frames.copy())
    # A stored number n stands for 0.5 n + 100.
    unit.scale("int16", bscale=0.5, bzero=100)
    path = write(unit)
    with fits.open(path, do_not_scale_image_data=True) as opened:
        assert opened[0].data[0, 0, 1] == -198
    assert datasets(path)["images"].dtype == np.float32
    np.testing.assert_array_equal(images(path)[:, 0], frames)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
def test_tiles_that_are_compressed(write, frames, kind):
    tiles = fits.CompImageHDU(frames.astype(np.int16), name="CCD1", compression_type=kind)
    np.testing.assert_array_equal(images(write(fits.PrimaryHDU(), tiles))[:, 0], frames)


def test_a_file_that_is_compressed_as_a_whole(write, frames, tmp_path):
    path = tmp_path / "in.fits.gz"
    path.write_bytes(gzip.compress(write(frames).read_bytes()))
    np.testing.assert_array_equal(images(path)[:, 0], frames)


def test_units_go_by_their_names(write, frames):
    units = [
        fits.ImageHDU(frames, name="MASK"),
        fits.ImageHDU(frames),
        fits.ImageHDU(frames, name="SCI"),
        fits.ImageHDU(frames, name="SCI", ver=2),
        fits.BinTableHDU.from_columns([fits.Column("X", "J", array=[1])], name="TABLE"),
    ]
    path = write(frames, *units, BUNIT="keV")
    found = datasets(path)
    assert list(found) == ["images", "MASK", "unit_2", "SCI", "SCI_2", "TABLE/X"]
    assert found["images"].unit == "keV"
    assert found.pop("TABLE/X").shape == ()
    assert {dataset.shape for dataset in found.values()} == {(5, 20, 24)}


def test_keywords_are_scalars_until_a_study_names_them(write, frames):
    path = write(frames, EXPTIME=3.5, RUNID=17, SITE="deep", COOLED=True)
    found = datasets(path)
    assert [found[name].shape for name in ("EXPTIME", "RUNID", "SITE", "COOLED")] == [()] * 4
    assert found.keys() == {"images", "EXPTIME", "RUNID", "SITE", "COOLED"}
    layout = Layout(kind="images", class_name="a", columns={"time": "EXPTIME", "run": "RUNID"})
    columns = open_source(path, layout).read(0, 1, 3).columns
    assert columns["time"].tolist() == [3.5, 3.5]
    assert columns["run"].tolist() == [17, 17]


def test_labels_in_a_unit_of_one_axis(write, frames):
    path = write(frames, fits.ImageHDU(np.array([1, 0, 2, 1, 1]), name="LABEL"))
    assert open_source(path).read(0, 1, 4).columns["label"].tolist() == [0, 2, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_no_numbers(write, frames, bad):
    frames[3, 7, 11] = bad
    path = write(frames, name="night.fits")
    told = r"night\.fits: 'images', frame 3: pixel \(7, 11\) is not a finite number"
    with pytest.raises(DataError, match=told):
        images(path)


def test_blank_pixels(write, frames):
    unit = fits.PrimaryHDU(frames.astype(np.int16))
    unit.header["BLANK"] = 24 * 20 + 5
    path = write(unit)
    with pytest.raises(DataError, match=r"'images', frame 1: pixel \(0, 5\) is BLANK or not a fin"):
        images(path)


@pytest.mark.parametrize("n_bytes", [1, 2880, 4000, 9000])
def test_a_file_that_was_cut_short(write, frames, n_bytes):
    path = write(frames)
    path.write_bytes(path.read_bytes()[:-n_bytes])
    with pytest.raises(DataError, match=r"in\.fits: .*: copy or make the file again"):
        images(path)


def test_a_checksum_that_does_not_fit(write, frames):
    path = write(frames, checksum=True)
    content = bytearray(path.read_bytes())
    content[2880 * 2 + 3] ^= 1
    path.write_bytes(content)
    told = r"in\.fits: 0: does not fit its checksum, DATASUM: it is damaged"
    with pytest.raises(DataError, match=told):
        images(path)


class Counted(io.BytesIO):
    """A file in memory that keeps count of the bytes that are read, and of the most at once."""

    def __init__(self, content):
        super().__init__(content)
        self.n_bytes = self.most = 0

    def read(self, size=-1):
        part = super().read(size)
        self.n_bytes += len(part)
        self.most = max(self.most, len(part))
        return part


@pytest.fixture
def counted(monkeypatch):
    """Open FITS files as ``counted[-1]``."""
    streams = []

    @contextmanager
    def open_counted(path):
        streams.append(Counted(path.read_bytes()))
        yield streams[-1]

    monkeypatch.setattr(fits_images, "open_plain", open_counted)
    return streams


@pytest.mark.parametrize("is_compressed", [False, True])
def test_only_the_frames_asked_for_are_read(write, counted, is_compressed):
    frames = np.random.default_rng(1).integers(0, 1 << 14, (30, 60, 50)).astype(np.int32)
    tiles = fits.CompImageHDU(frames, name="SCI", compression_type="RICE_1")
    path = write(*([fits.PrimaryHDU(), tiles] if is_compressed else [frames]), checksum=True)
    source = open_source(path, EXPOSURE)
    assert len(counted) == 1
    whole = path.stat().st_size
    np.testing.assert_array_equal(source.read(0, 11, 14).images.values[:, 0], frames[11:14])
    # Three of thirty frames, the headers, and where the tiles of each row lie.
    assert counted[-1].n_bytes < whole * (3 / 30 + 0.25)
    np.testing.assert_array_equal(source.read(0, 0, 30).images.values[:, 0], frames)


def test_checksums_are_told_in_pieces(write, counted, monkeypatch):
    monkeypatch.setattr(fits_checksums, "_PIECE", 2880)
    frames = np.arange(20 * 60 * 50, dtype=np.int32).reshape(20, 60, 50)
    path = write(frames, checksum=True)
    with FITS.open(path, EXPOSURE) as container:
        assert counted[-1].n_bytes < path.stat().st_size / 4
        container.datasets()
        once = counted[-1].n_bytes
        assert once > path.stat().st_size
        assert counted[-1].most <= 2880
        container.datasets()
        assert counted[-1].n_bytes == once


@pytest.mark.parametrize("place", ["header", "pixels", "table"])
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_bit_that_is_turned_over_anywhere(write, frames, place, is_compressed):
    image = (fits.CompImageHDU if is_compressed else fits.ImageHDU)(frames, name="SCI")
    table = fits.BinTableHDU.from_columns([fits.Column("X", "J", array=[1, 2])], name="POINTS")
    path = write(fits.PrimaryHDU(), image, table, checksum=True, NIGHT="first")
    with fits.open(path) as opened:
        pixels, points = opened[1].fileinfo()["datLoc"], opened[2].fileinfo()["datLoc"]
    content = bytearray(path.read_bytes())
    at, told = {
        "header": (content.index(b"first"), "0: does not fit its checksum, CHECKSUM"),
        "pixels": (pixels + 5, "'SCI': does not fit its checksum, DATASUM"),
        "table": (points + 3, "'POINTS': does not fit its checksum, DATASUM"),
    }[place]
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"in\.fits: {told}: it is damaged"):
        open_source(path, EXPOSURE)


def test_checksums_are_those_that_astropy_makes(write, frames):
    rng = np.random.default_rng(2)
    units = [fits.ImageHDU(rng.integers(0, 256, n, dtype=np.uint8)) for n in (1, 2, 3, 2880, 9001)]
    path = write(frames, *units, fits.ImageHDU(np.full(4000, -1)), checksum=True)
    with path.open("rb") as stream, fits.open(path) as opened:
        assert [fits_checksums.misfit(stream, unit) for unit in opened] == [""] * 7


def test_no_image_at_all(write):
    with pytest.raises(ConfigError, match="no images found"):
        images(write(fits.PrimaryHDU()))


def test_columns_of_a_table_are_those_of_events_where_a_study_names_them(write, frames):
    energy = np.arange(5) * 1500.0
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("ENERGY", "D", unit="MeV", array=energy),
            fits.Column("DEPTH", "I", unit="mm", array=np.arange(5)),
            fits.Column("GOOD", "L", array=np.arange(5) % 2 == 0),
            fits.Column("PLACE", "2E", array=np.ones((5, 2))),
            fits.Column("NAME", "4A", array=["a"] * 5),
        ],
        name="EVENTS",
    )
    path = write(frames, table)
    found = datasets(path)
    assert [name for name in found if "/" in name] == [
        "EVENTS/ENERGY", "EVENTS/DEPTH", "EVENTS/GOOD",
    ]  # fmt: skip
    assert (found["EVENTS/ENERGY"].shape, found["EVENTS/ENERGY"].unit) == ((), "MeV")
    # Nothing is taken that was not asked for.
    assert set(open_source(path, EXPOSURE).read(0, 0, 5).columns) == set()
    names = {"energy": "EVENTS/ENERGY", "depth": "EVENTS/DEPTH", "good": "EVENTS/GOOD"}
    source = open_source(path, Layout(kind="images", class_name="a", columns=names))
    columns = source.read(0, 1, 4).columns
    np.testing.assert_allclose(columns["energy"], [1.5, 3, 4.5])
    assert columns["depth"].tolist() == [1, 2, 3]
    assert columns["good"].tolist() == [False, True, False]
    assert source.stated_units == {"EVENTS/ENERGY": "MeV", "EVENTS/DEPTH": "mm"}
    short = fits.BinTableHDU.from_columns([fits.Column("E", "D", array=[1.0])], name="EVENTS")
    path = write(frames, short, name="short.fits")
    layout = Layout(kind="images", class_name="a", columns={"e": "EVENTS/E"})
    with pytest.raises(DataError, match=r"'EVENTS/E' has shape \(1,\), expected \(5,\)"):
        open_source(path, layout)


def test_without_astropy(write, frames, monkeypatch):
    path = write(frames)
    monkeypatch.delitem(sys.modules, "detcnn.sources.formats.fits_images", raising=False)
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'detcnn\[fits\]'"):
        images(path)


# What simulations write


def sample(n=4):
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 16, (n, 3, 2)).astype(np.float32)
    places[1, 1:] = np.nan
    return ImageSample(
        images=rng.normal(size=(n, 1, 16, 20)).astype(np.float32),
        truth={"mask": rng.integers(0, 3, (n, 1, 16, 20), dtype=np.uint8)},
        columns={"label": np.zeros(n, np.int8), "energy": rng.random(n).astype(np.float32)},
        points={"decays": places},
        point_values={"decay_energy": places[..., 0] * 2},
    )


def test_frames_come_back(tmp_path):
    written, path = sample(), tmp_path / "frames.fits"
    units = {"energy": "GeV", "label": "1"}
    keywords = {"CLASSES": "exposure", "NOISE": 2.0}
    write_frames(path, [written], unit="keV", units=units, keywords=keywords)
    layout = Layout(kind="images", images={"images": "exposure"})
    source = open_source(path, layout)
    assert source.stated_units == {"ENERGY": "GeV"}
    table = source.read(0, 0, 4)
    np.testing.assert_array_equal(table.images.values, written.images)
    np.testing.assert_array_equal(table.columns["energy"], written.columns["energy"])
    with FITS.open(path, layout) as container:
        np.testing.assert_array_equal(container.read("MASK", 1, 3), written.truth["mask"][1:3, 0])
        assert container.words("classes") == ["exposure"]
    decays = fits.getdata(path, "DECAYS")
    assert decays.columns.units == ["", "pixel", "pixel", "keV"]
    assert decays["FRAME"].tolist() == [0, 0, 0, 1, 2, 2, 2, 3, 3, 3]
    np.testing.assert_array_equal(decays["DECAY_ENERGY"], decays["ROW"] * 2)


def test_equal_samples_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_frames(tmp_path / name, [sample()], keywords={"SEED": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_blocks_give_the_bytes_of_the_whole(tmp_path):
    whole = sample(9)
    parts = [(0, 4), (4, 4), (4, 9)]

    def cut(values, first, last):
        return {name: array[first:last] for name, array in values.items()}

    groups = ("truth", "columns", "points", "point_values")
    blocks = (
        ImageSample(
            images=whole.images[i:k],
            **{group: cut(getattr(whole, group), i, k) for group in groups},
        )
        for i, k in parts
    )
    write_frames(tmp_path / "a.fits", blocks, unit="keV", keywords={"SEED": 1})
    # What astropy makes of arrays in memory.
    units = [fits.PrimaryHDU(whole.images[:, 0]), fits.ImageHDU(whole.truth["mask"][:, 0])]
    units[0].header.update({"BUNIT": "keV", "SEED": 1})
    units[1].name = "MASK"
    for name, values in whole.columns.items():
        units.append(fits.ImageHDU(values, name=name.upper()))
    for unit in units:
        unit.add_checksum(when="of this unit")
    fits.HDUList(units).writeto(tmp_path / "b.fits")
    expected = (tmp_path / "b.fits").read_bytes()
    content = (tmp_path / "a.fits").read_bytes()
    assert content[: len(expected)] == expected
    assert b"DECAYS" in content[len(expected) :]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "b.fits"]


def test_frames_are_not_held_in_memory(tmp_path):
    n_blocks, n_frames = 24, 4

    def blocks():
        for number in range(n_blocks):
            images = np.full((n_frames, 1, 128, 128), number, dtype=np.float32)
            yield ImageSample(images, {"mask": images.astype(np.uint8)}, {"label": np.zeros(4)})

    write_frames(tmp_path / "warm.fits", blocks())
    tracemalloc.start()
    write_frames(tmp_path / "a.fits", blocks())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < n_blocks * n_frames * 128 * 128 * 5 / 4
    assert fits.getdata(tmp_path / "a.fits")[::n_frames, 5, 7].tolist() == [*range(n_blocks)]


def test_what_fits_has_no_place_for(tmp_path):
    volume = ImageSample(np.zeros((2, 1, 3, 4, 5), np.float32), {}, {})
    with pytest.raises(ConfigError, match="one channel"):
        write_frames(tmp_path / "a.fits", [volume])
    with pytest.raises(ConfigError, match="'exposure' is no keyword of FITS"):
        write_frames(tmp_path / "a.fits", [sample()], keywords={"exposure": 1})
    with pytest.raises(StorageError, match="no_folder"):
        write_frames(tmp_path / "no_folder" / "a.fits", [sample()])
    assert list(tmp_path.iterdir()) == []
