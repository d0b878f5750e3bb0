"""HepMC files as its library writes them, their jets against FastJet's, and damage to them."""

import gzip
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError, DetcnnError, MissingExtraError
from detcnn.sources.base import Clustering, Layout
from detcnn.sources.chain import open_sources
from detcnn.sources.opening import open_source

fastjet = pytest.importorskip("fastjet")
pyhepmc = pytest.importorskip("pyhepmc")

FORMATS = ("hepmc3", "hepmc2")
FINAL, DECAYED, BEAM = 1, 2, 4
# Two hard sprays back to back, a soft one, a neutrino, and what stays in the beam.
JETS = [
    # pt, eta, phi, PDG id
    (200, 0.1, 0.0, 211),
    (100, 0.2, 0.1, 22),
    (150, -0.3, 3.1, -211),
    (120, -0.2, -3.1, 130),
    (10, 2.0, 1.5, 321),
    (250, 0.15, 0.05, 14),
]


@pytest.fixture(autouse=True)
def _quiet():
    pyhepmc.Setup.print_errors = pyhepmc.Setup.print_warnings = False


def four_vector(pt, eta, phi, mass=0.14):
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2)


def as_event(particles, *, number=0, unit=pyhepmc.Units.GEV, weights=(1.0,)):
    """Make an event of final particles, with a decayed one and the rest of the beams."""
    event = pyhepmc.GenEvent(unit, pyhepmc.Units.MM)
    event.event_number = number
    event.weights = list(weights)
    vertex = pyhepmc.GenVertex((0, 0, 0, 0))
    for pz in (6500, -6500):
        vertex.add_particle_in(pyhepmc.GenParticle((0, 0, pz, 6500), 2212, BEAM))
    vertex.add_particle_out(pyhepmc.GenParticle(four_vector(500, 0.3, 2.0), 23, DECAYED))
    for pt, eta, phi, pdgid in particles:
        vertex.add_particle_out(pyhepmc.GenParticle(four_vector(pt, eta, phi), pdgid, FINAL))
    vertex.add_particle_out(pyhepmc.GenParticle((0, 0, 3000, 3000), 2212, FINAL))
    event.add_vertex(vertex)
    return event


def text(events, file_format="hepmc3"):
    """Return what HepMC writes."""
    stream = io.BytesIO()
    with pyhepmc.io.pyiostream(stream) as target:
        writer = pyhepmc.io.WriterAscii if file_format == "hepmc3" else pyhepmc.io.WriterAsciiHepMC2
        with writer(target, events[0].run_info) as file:
            for event in events:
                file.write_event(event)
    return stream.getvalue()


@pytest.fixture
def write(tmp_path):
    """Write events: ``write(events, "hepmc2", name="in.hepmc.gz")``."""

    def write(events, file_format="hepmc3", *, name="in.hepmc"):
        path = tmp_path / name
        content = text(events, file_format) if isinstance(events, list) else events
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def clustered(**options):
    return Layout(clustering=Clustering(radius=0.8, **options), class_name="QCD")


@pytest.mark.parametrize("name", ["in.hepmc", "in.hepmc.gz"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_whole_collisions(write, file_format, name):
    events = [as_event(JETS, number=7), as_event(JETS[:2], number=9), as_event([], number=8)]
    source = open_source(write(events, file_format, name=name))
    assert (source.format_name, source.samples[0].n_events) == ("HepMC", 3)
    table = pickle.loads(pickle.dumps(source)).read(0, 0, 3)
    # Without the neutrino, the particle that decayed and what has no transverse momentum.
    assert table.offsets.tolist() == [0, 5, 7, 7]
    for i, part in enumerate(("pt", "eta", "phi", "pdgid")):
        np.testing.assert_allclose(
            table.constituents[part][:5], [particle[i] for particle in JETS[:5]], rtol=1e-5
        )
    assert table.columns["event_id"].tolist() == [7, 9, 8]
    assert source.read(0, 1, 2).constituents["pdgid"].tolist() == [211, 22]
    assert source.read(0, 1, 1).n_events == 0


@pytest.mark.parametrize("file_format", FORMATS)
def test_jets_by_hand(write, file_format):
    path = write([as_event(JETS[:1]), as_event(JETS), as_event([])], file_format)
    source = open_source(path, clustered(min_pt=5))
    assert source.samples[0].n_events == 4
    assert source.samples[0].class_name == "QCD"
    table = source.read(0, 0, 4)
    assert table.offsets.tolist() == [0, 1, 3, 5, 6]
    assert table.columns["event_id"].tolist() == [0, 1, 1, 1]
    first, second = np.array([four_vector(*p[:3]) for p in JETS[:2]]).astype(float)
    total = first + second
    row = {name: values[1] for name, values in table.columns.items()}
    assert row["pt"] == pytest.approx(np.hypot(*total[:2]), rel=1e-6)
    assert row["phi"] == pytest.approx(np.arctan2(total[1], total[0]), rel=1e-5)
    assert row["rapidity"] == pytest.approx(np.arctanh(total[2] / total[3]), rel=1e-5)
    assert row["mass"] == pytest.approx(np.sqrt(total[3] ** 2 - (total[:3] ** 2).sum()), rel=1e-4)
    assert set(table.constituents["pdgid"][3:5].tolist()) == {-211, 130}
    np.testing.assert_allclose(table.columns["pt"][[0, 3]], [200, 10], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_pt": 50}, [300, 269]),
        ({"min_pt": 50, "n_hardest": 1}, [300]),
        ({"min_pt": 5, "max_eta": 1.9}, [300, 269]),
        ({"min_pt": 5, "max_eta": 2.1}, [300, 269, 10]),
        ({"min_pt": 280, "n_hardest": 5}, [300]),
    ],
)
def test_which_jets_are_kept(write, options, expected):
    source = open_source(write([as_event(JETS)]), clustered(**options))
    table = source.read(0, 0, source.samples[0].n_events)
    np.testing.assert_allclose(table.columns["pt"], expected, atol=1)


@pytest.mark.parametrize("algorithm", ["antikt", "cambridge", "kt"])
def test_jets_are_those_of_fastjet(write, algorithm):
    rng = np.random.default_rng(3)
    momenta = np.stack(
        [rng.exponential(5, 120), rng.normal(0, 1.5, 120), rng.uniform(-3.14, 3.14, 120)], axis=1
    )
    event = as_event([(*momentum, 211) for momentum in momenta.tolist()])
    source = open_source(write([event, event]), clustered(algorithm=algorithm, min_pt=12))
    kind = getattr(fastjet, f"{algorithm}_algorithm")
    inputs = [fastjet.PseudoJet(*four_vector(*momentum)) for momentum in momenta]
    sequence = fastjet.ClusterSequence(inputs, fastjet.JetDefinition(kind, 0.8))
    jets = fastjet.sorted_by_pt(sequence.inclusive_jets(12.0))
    n_jets = len(jets)
    assert source.samples[0].n_events == 2 * n_jets > 4
    table = source.read(0, n_jets, 2 * n_jets)
    assert np.diff(table.offsets).tolist() == [len(jet.constituents()) for jet in jets]
    np.testing.assert_allclose(table.columns["pt"], [jet.pt() for jet in jets], rtol=1e-6)
    np.testing.assert_allclose(table.columns["mass"], [jet.m() for jet in jets], rtol=1e-4)


@pytest.mark.parametrize("file_format", FORMATS)
def test_particles_are_those_of_the_library(write, file_format):
    rng = np.random.default_rng(5)
    events = []
    for number in range(60):
        n = rng.integers(0, 40)
        momenta = np.stack([rng.exponential(5, n), rng.normal(0, 2, n), rng.uniform(-3, 3, n)])
        ids = rng.choice([211, -211, 22, 12, -14], n)
        particles = [(*m, int(i)) for m, i in zip(momenta.T.tolist(), ids, strict=True)]
        events.append(as_event(particles, number=number, weights=[0.5 * number, 3]))
    path = write(events, file_format)
    table = open_source(path).read(0, 0, 60)
    pt, eta, lengths, weights = [], [], [], []
    with pyhepmc.open(path) as file:
        for event in file:
            seen = [
                p
                for p in event.particles
                if p.status == FINAL and abs(p.pid) not in (12, 14) and p.momentum.pt() > 0
            ]
            lengths.append(len(seen))
            pt += [p.momentum.pt() for p in seen]
            eta += [p.momentum.eta() for p in seen]
            weights.append(event.weights[0])
    assert np.diff(table.offsets).tolist() == lengths
    np.testing.assert_allclose(table.constituents["pt"], pt, rtol=1e-5)
    np.testing.assert_allclose(table.constituents["eta"], eta, rtol=1e-5)
    assert table.columns["weight"].tolist() == weights


def test_any_rows_of_many(write):
    events = [as_event(JETS if i % 3 else JETS[4:5], number=i) for i in range(130)]
    source = open_source(write(events, name="in.hepmc.gz"), clustered(min_pt=50))
    whole = source.read(0, 0, source.samples[0].n_events)
    assert len(whole.columns["pt"]) == 2 * 86
    for start, stop in ((0, 1), (3, 4), (99, 140), (170, 172)):
        part = source.read(0, start, stop)
        low, high = whole.offsets[start], whole.offsets[stop]
        assert part.columns["event_id"].tolist() == whole.columns["event_id"][start:stop].tolist()
        np.testing.assert_array_equal(part.constituents["pt"], whole.constituents["pt"][low:high])


class TestUnits:
    @pytest.mark.parametrize("file_format", FORMATS)
    def test_of_the_file(self, write, file_format):
        event = as_event([(200_000, 0.1, 0.0, 211)], unit=pyhepmc.Units.MEV)
        source = open_source(write([event], file_format), clustered(min_pt=150))
        assert source.read(0, 0, 1).columns["pt"].tolist() == pytest.approx([200])
        assert source.stated_units["jet/pt"] == "MeV"

    def test_of_the_study(self, write):
        path = write(text([as_event(JETS)]).replace(b"U GEV MM\n", b""))
        with pytest.raises(ConfigError, match="the unit of momenta is not stated: set units.pt in"):
            open_source(path)
        table = open_source(path, Layout(units={"pt": "MeV"})).read(0, 0, 1)
        assert table.constituents["pt"][0] == pytest.approx(0.2)

    def test_that_is_none(self, write):
        path = write(text([as_event(JETS)]).replace(b"U GEV", b"U ERG"))
        with pytest.raises(DataError, match="event 0: damaged: b'ERG'"):
            open_source(path)


def test_momenta_have_one_unit(write):
    with pytest.raises(ConfigError, match=r"units\.mass has no meaning for HepMC.*set units\.pt"):
        open_source(write(text([as_event(JETS)])), Layout(units={"mass": "MeV"}))


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"columns": {"pt": "jet/pt"}}, "columns"),
        ({"collection": "Jet"}, "collection"),
        ({"kind": "padded"}, "layout"),
    ],
)
def test_parts_have_no_names(write, part, name):
    with pytest.raises(ConfigError, match=f"{name} has no meaning for HepMC"):
        open_source(write([as_event(JETS)]), Layout(**part))


def test_several_files(write):
    paths = [write([as_event(JETS, number=i)], name=f"{i}.hepmc") for i in range(2)]
    source = open_sources(paths, clustered(min_pt=50))
    assert source.read(0, 1, 3).columns["event_id"].tolist() == [0, 1]


def test_files_that_were_joined(write):
    path = write(text([as_event(JETS, number=1)]) + text([as_event(JETS, number=4)]))
    assert open_source(path).read(0, 0, 2).columns["event_id"].tolist() == [1, 4]


def test_events_of_one_number_are_told_apart(write):
    path = write([as_event(JETS, number=1)] * 3)
    assert open_source(path).read(0, 0, 3).columns["event_id"].tolist() == [0, 1, 2]


def test_nothing_is_written_to_stdout(write):
    program = (
        "from pathlib import Path; from detcnn.sources.base import Clustering, Layout\n"
        "from detcnn.sources.opening import open_source\n"
        "import sys; open_source(Path(sys.argv[1]), Layout(clustering=Clustering(radius=0.8)))"
    )
    path = write([as_event(JETS)])
    # FastJet shows its banner once a process, which may have been before.
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_without_fastjet(write, monkeypatch):
    monkeypatch.delitem(sys.modules, "detcnn.sources.formats.clustering", raising=False)
    monkeypatch.setitem(sys.modules, "fastjet", None)
    path = write([as_event(JETS)])
    assert open_source(path).samples[0].n_events == 1
    with pytest.raises(MissingExtraError, match=r"pip install 'detcnn\[hepmc\]'"):
        open_source(path, clustered())


class TestDamage:
    @pytest.mark.parametrize("file_format", FORMATS)
    def test_a_file_that_was_cut_short(self, write, file_format):
        content = text([as_event(JETS)] * 3, file_format)
        # Between two events a cut shows in nothing but the end.
        for cut in (content.rindex(b"\nE ") + 1, content.rindex(b"HepMC::")):
            with pytest.raises(DataError, match=r"ends at event [12] without HepMC::.*END_EVENT_"):
                open_source(write(content[:cut]))

    def test_a_compressed_file_that_was_cut_short(self, write):
        path = write([as_event(JETS)] * 3, name="in.hepmc.gz")
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(
            DataError, match=r"damaged or cut short \(Compressed file ended.*: copy"
        ):
            open_source(path)

    @pytest.mark.parametrize("file_format", FORMATS)
    def test_a_particle_that_is_missing(self, write, file_format):
        lines = text([as_event(JETS)] * 2, file_format).split(b"\n")
        del lines[max(i for i, line in enumerate(lines) if line.startswith(b"P "))]
        with pytest.raises(DataError, match="event 1: damaged: it has 9 particles, but says 10"):
            open_source(write(b"\n".join(lines)))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (b" 2.0000000000000000e+02 ", b" nan ", "event 0: damaged: the momentum of a par"),
            (b" 2.0000000000000000e+02 ", b" 1e300 ", "momentum of a particle is 1e[+]300 GeV"),
            (b" 2.0000000000000000e+02 ", b" two ", "event 0: damaged: could not convert string"),
            (b" 2.0000000000000000e+02 ", b" ", "the line of a particle is cut short"),
            (b"\nW 1.", b"\nW inf ", "its weight is inf, expected a finite number"),
            (b"Asciiv3-START", b"IO_Ascii-START", "'HepMC::IO_Ascii-START.* is not expected here"),
            (b"HepMC::Asciiv3-START_EVENT_LISTING\n", b"", "event 0 is outside of a listing"),
        ],
    )
    def test_what_cannot_be(self, write, old, new, message):
        content = text([as_event(JETS)])
        assert old in content
        with pytest.raises(DataError, match=message):
            open_source(write(content.replace(old, new, 1)))

    def test_no_jet_is_wanted(self, write):
        path = write([as_event(JETS)] * 2)
        with pytest.raises(DataError, match="none of its 2 events has a jet that is wanted"):
            open_source(path, clustered(min_pt=900))

    def test_no_events(self, write):
        content = text([as_event(JETS)])
        content = content[: content.index(b"E 0")] + content[content.index(b"HepMC::Asciiv3-END") :]
        with pytest.raises(DataError, match="holds no events"):
            open_source(write(content))

    def test_a_line_without_an_end(self, write):
        content = text([as_event(JETS)]).replace(b"\nU ", b"\nA " + b"x" * (1 << 20) + b"\nU ")
        with pytest.raises(DataError, match="event 0: a line is longer than 1048576 bytes"):
            open_source(write(content))

    def test_a_file_that_has_changed(self, write):
        path = write([as_event(JETS), as_event(JETS)])
        source = open_source(path, clustered(min_pt=50))
        write([as_event(JETS[:1]), as_event(JETS)])
        with pytest.raises(DataError, match=r"in\.hepmc: "):
            source.read(0, 0, 4)

    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def test_damage_is_named_or_does_no_harm(self, data, tmp_path_factory):
        content = bytearray(text([as_event(JETS[:3])] * 2, data.draw(st.sampled_from(FORMATS))))
        for _ in range(data.draw(st.integers(0, 4))):
            place = data.draw(st.integers(0, len(content) - 1))
            new = st.sampled_from([b"", b"9", b"-", b" ", b"\n", b"e", b"nan ", b"1e999 ", b"\xff"])
            content[place : place + data.draw(st.integers(0, 3))] = data.draw(new)
        path = tmp_path_factory.mktemp("damage") / "in.hepmc"
        path.write_bytes(b"HepMC::Version" + content[14:])
        message = f"{path}: one line"
        try:
            source = open_source(path, clustered(min_pt=50))
            table = source.read(0, 0, source.samples[0].n_events)
            assert all(np.isfinite(values).all() for values in table.constituents.values())
        except DetcnnError as error:
            message = str(error)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
