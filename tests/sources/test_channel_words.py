"""Names and units of the channels of ready images, as files and studies state them."""

import json

import h5py
import numpy as np
import pytest

from detcnn.errors import ConfigError
from detcnn.sources.base import Layout
from detcnn.sources.chain import open_sources
from detcnn.sources.opening import open_source

TWO = np.zeros((3, 2, 20, 20), dtype=np.float32)


@pytest.fixture
def channels(tmp_path):
    """Return the channels of images in a file of these attributes."""

    def channels(*, units=None, images=TWO, attributes=None, features=None, **layout):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            file["images"] = images
            file.attrs.update(attributes or {})
            if units is not None:
                file["images"].attrs["units"] = units
            if features is not None:
                file["images"].attrs["feature_names"] = features
        told = Layout(kind="images", class_name="a", **layout)
        return open_source(tmp_path / "in.h5", told).layout.channel_units

    return channels


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, {}),
        ({"units": "MeV"}, {"channel_0": "MeV", "channel_1": "MeV"}),
        ({"attributes": {"channels": ["x", "y"]}}, {"x": "", "y": ""}),
        ({"attributes": {"channels": ["x", "y"]}, "units": "e"}, {"x": "e", "y": "e"}),
        ({"attributes": {"channels": '{"q": "e", "t": "ns"}'}, "units": "e ns"}, None),
        ({"images": np.moveaxis(TWO, 1, -1), "features": ["q", "t"]}, {"q": "", "t": ""}),
        # These speak of something else.
        ({"attributes": {"channels": 2}}, {}),
        ({"attributes": {"channels": ["1", "2"]}}, {}),
        ({"attributes": {"channels": ["x", "x"]}}, {}),
        ({"attributes": {"channels": ["x", "y", "z"]}}, {}),
        ({"attributes": {"channels": "{no JSON"}}, {}),
        ({"attributes": {"channels": '{"q": 1, "t": null}'}}, {"q": "", "t": ""}),
    ],
)
def test_what_a_file_states(channels, stated, expected):
    expected = {"q": "e", "t": "ns"} if expected is None else expected
    assert [*channels(**stated).items()] == [*expected.items()]


def test_the_study_overrules_the_file(channels):
    names = {"attributes": {"channels": ["x", "y"]}, "units": "MeV"}
    told = {"w": "keV", "v": ""}
    assert [*channels(**names, channel_units=told).items()] == [*told.items()]
    with pytest.raises(ConfigError, match=r"in\.h5: channel_units names 1 channels \(w\), but"):
        channels(**names, channel_units={"w": "keV"})


def test_channels_of_a_column_each(tmp_path):
    path = tmp_path / "in.h5"
    with h5py.File(path, "w") as file:
        file["light"], file["time"] = np.zeros((3, 7)), np.zeros((3, 7))
        file["light"].attrs["units"] = "photons"
    layout = {"class_name": "a", "axes": ("pixel",), "channels": {"t": "time", "n": "light"}}
    found = open_source(path, Layout(**layout)).layout
    assert [*found.channel_units.items()] == [("t", ""), ("n", "photons")]
    told = open_source(path, Layout(**layout, channel_units={"t": "ns"})).layout
    assert [*told.channel_units.items()] == [("t", "ns"), ("n", "photons")]
    with pytest.raises(ConfigError, match="names 'q', which is none of the channels t, n"):
        open_source(path, Layout(**layout, channel_units={"q": "ns"}))


def test_fits(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    unit = fits.PrimaryHDU(TWO[:, 0])
    unit.header.update(BUNIT="keV", CHANNELS="energy")
    unit.writeto(tmp_path / "in.fits")
    layout = open_source(tmp_path / "in.fits", Layout(kind="images", class_name="a")).layout
    assert layout.channel_units == {"energy": "keV"}


def test_files_of_one_source_state_the_same(tmp_path):
    for name, unit in (("a", "keV"), ("b", "MeV")):
        with h5py.File(tmp_path / name, "w") as file:
            file["images"] = TWO
            file.attrs["channels"] = json.dumps({"x": unit, "y": unit})
    with pytest.raises(ConfigError, match=r"b: channels: found x \[MeV\], y \[MeV\], but"):
        open_sources([tmp_path / "a", tmp_path / "b"], Layout(class_name="a"))
