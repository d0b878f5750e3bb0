"""Jets inside of events: links of CMS and Delphes, lists of lists, and what is near an axis."""

import itertools
import pickle

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detcnn.errors import ConfigError, DataError
from detcnn.sources.base import Layout
from detcnn.sources.opening import open_source

WRITERS = ("mktree", "mkrntuple")


def ragged(lists, dtype=np.float32):
    return ak.values_astype(ak.Array(lists), dtype)


@pytest.fixture
def opened(tmp_path):
    """Open a tree of these branches: ``opened(tree, writer="mkrntuple", collection="Jet")``."""

    def opened(tree, *, writer="mktree", name="Events", **layout):
        path = tmp_path / "in.root"
        with uproot.recreate(path) as file:
            getattr(file, writer)(name, tree)
        return pickle.loads(pickle.dumps(open_source(path, Layout(**layout))))

    return opened


def jets_of(table):
    """Return the pT of the constituents of each jet."""
    ends = table.offsets
    return [table.constituents["pt"][a:b].tolist() for a, b in itertools.pairwise(ends)]


def nano():
    """Three events of two, no and one jets; one candidate is in both jets of the first event."""
    return {
        "run": np.array([1, 1, 1], dtype=np.uint32),
        "luminosityBlock": np.array([5, 5, 6], dtype=np.uint32),
        "event": np.array([70, 71, 70], dtype=np.uint64),
        "genWeight": np.array([0.5, 1, 2], dtype=np.float32),
        "HLT_Any": np.array([True, False, True]),
        "Jet_pt": ragged([[50, 40], [], [30]]),
        "Jet_eta": ragged([[0.5, -0.5], [], [1]]),
        "Jet_phi": ragged([[1, 2], [], [3]]),
        "Jet_mass": ragged([[5, 4], [], [-0.01]]),
        "Jet_partonFlavour": ragged([[21, -2], [], [0]], np.int32),
        "Jet_btagDeepFlavB": ragged([[0.1, 0.2], [], [0.3]]),
        "PFCands_pt": ragged([[9, 8, 7], [1], [6, 5]]),
        "PFCands_eta": ragged([[0.1, 0.2, 0.3], [0], [0.4, 0.5]]),
        "PFCands_phi": ragged([[1, 2, 3], [0], [-1, -2]]),
        "PFCands_mass": ragged([[0.1, 0, -0.001], [0], [0, 0]]),
        "PFCands_charge": ragged([[1, 0, -1], [1], [0, 0]], np.int32),
        "PFCands_pdgId": ragged([[211, 22, -211], [211], [130, 22]], np.int32),
        "JetSVs_jetIdx": ragged([[0], [], []], np.int32),
        "JetSVs_sVIdx": ragged([[0], [], []], np.int32),
        "JetPFCands_jetIdx": ragged([[0, 1, 1], [], [0, 0]], np.int32),
        "JetPFCands_pFCandsIdx": ragged([[1, 2, 1], [], [1, 0]], np.int32),
        "JetPFCands_pt": ragged([[99, 99, 99], [], [99, 99]]),
    }


# Links by number, as CMS has them


@pytest.mark.parametrize("writer", WRITERS)
def test_jets_with_linked_candidates(opened, writer):
    source = opened(
        nano(),
        writer=writer,
        collection="Jet",
        columns={"label": "Jet_partonFlavour", "weight": "genWeight"},
    )
    assert [sample.n_events for sample in source.samples] == [3]
    assert source.label_names == {-2: "-2", 0: "0", 21: "21"}
    assert source.layout.constituents["pdgid"] == "PFCands_pdgId"
    table = source.read(0, 0, 3)
    assert jets_of(table) == [[8], [7, 8], [5, 6]]
    assert table.constituents["pdgid"].tolist() == [22, -211, 22, 22, 130]
    assert table.constituents["mass"].tolist() == pytest.approx([0, -0.001, 0, 0, 0])
    assert table.columns["pt"].tolist() == [50, 40, 30]
    assert table.columns["mass"].tolist() == pytest.approx([5, 4, -0.01])
    assert table.columns["label"].tolist() == [21, -2, 0]
    assert table.columns["weight"].tolist() == [0.5, 0.5, 2]
    # The discriminants and triggers of the file stay where they are.
    assert set(table.columns) == {
        *("pt", "eta", "phi", "mass", "partonFlavour", "label", "weight", "event_id"),
    }


def test_jets_of_an_event_share_its_id(opened):
    columns = nano()
    ids = opened(columns, collection="Jet").read(0, 0, 3).columns["event_id"]
    assert ids[0] == ids[1] != ids[2]
    of_events = opened(columns).read(0, 0, 3).columns["event_id"]
    assert of_events[[0, 0, 2]].tolist() == ids.tolist()


def test_without_numbers_an_event_is_known_by_its_content(opened):
    columns = {name: c for name, c in nano().items() if name != "run"}
    source = opened(columns, collection="Jet")
    ids = source.read(0, 0, 3).columns["event_id"]
    assert ids[0] == ids[1] != ids[2]
    assert source.read(0, 1, 3).columns["event_id"].tolist() == ids[1:].tolist()
    turned = {name: column[::-1] for name, column in columns.items()}
    assert opened(turned, collection="Jet").read(0, 0, 3).columns["event_id"][0] == ids[2]


def test_named_id_and_flat_columns(opened):
    source = opened(nano(), collection="Jet", columns={"event_id": "event", "hlt": "HLT_Any"})
    columns = source.read(0, 1, 3).columns
    assert columns["event_id"].tolist() == [70, 70]
    assert columns["hlt"].tolist() == [True, True]


def test_events_when_no_collection_is_asked_for(opened):
    source = opened(nano(), columns={"weight": "genWeight"})
    table = source.read(0, 0, 3)
    assert jets_of(table) == [[9, 8, 7], [1], [6, 5]]
    assert set(table.columns) == {"weight", "event_id"}


def test_a_tree_of_jets_with_the_names_of_cms_keeps_its_columns(opened):
    columns = {name: c for name, c in nano().items() if name.startswith("PFCands")}
    columns |= {"label": np.array([0, 1, 0]), "jet_pt": np.array([50.0, 40, 30])}
    table = opened(columns).read(0, 0, 3)
    assert jets_of(table) == [[9, 8, 7], [1], [6, 5]]
    assert table.columns["label"].tolist() == [0, 1, 0]
    assert table.columns["pt"].tolist() == [50, 40, 30]


def test_other_names_of_links(opened):
    columns = {
        name.replace("PFCands", "PFCand").replace("pFCandsIdx", "pfCandIdx"): column
        for name, column in nano().items()
    }
    assert jets_of(opened(columns, collection="Jet").read(0, 0, 3)) == [[8], [7, 8], [5, 6]]
    assert jets_of(opened(columns).read(0, 1, 2)) == [[1]]


def test_generated_jets(opened):
    columns = {
        name.replace("JetPFCands_", "GenJetCands_")
        .replace("PFCands_", "GenCands_")
        .replace("Jet_", "GenJet_"): column
        for name, column in nano().items()
    }
    assert jets_of(opened(columns, collection="GenJet").read(0, 0, 3)) == [[8], [7, 8], [5, 6]]


def test_named_constituents_are_linked_in_place_of_others(opened):
    columns = nano()
    columns["PFCands_puppiPt"] = columns["PFCands_pt"] * 10
    roles = {role: f"PFCands_{role}" for role in ("eta", "phi")} | {"pt": "PFCands_puppiPt"}
    source = opened(columns, collection="Jet", constituents=roles)
    assert jets_of(source.read(0, 0, 3)) == [[80], [70, 80], [50, 60]]


def test_units_of_jets_and_constituents(opened):
    source = opened(nano(), collection="Jet", units={"pt": "MeV", "mass": "GeV"})
    table = source.read(0, 0, 3)
    assert table.columns["pt"].tolist() == pytest.approx([0.05, 0.04, 0.03])
    assert table.constituents["pt"][0] == pytest.approx(0.008)


@pytest.mark.parametrize(
    ("name", "row", "value", "message"),
    [
        ("JetPFCands_jetIdx", 1, 2, "event 0, jet 2: .* says 2, but the event has 2 jets"),
        ("JetPFCands_jetIdx", 3, -1, "event 2, jet -1: .* says -1, but the event has 1 jets"),
        ("JetPFCands_pFCandsIdx", 2, 3, "event 0, jet 1: .* says 3, .* has 3 constituents"),
        ("JetPFCands_pFCandsIdx", 4, -1, "event 2, jet 0: .* says -1, .* has 2 constituents"),
    ],
)
def test_links_that_lead_nowhere(opened, name, row, value, message):
    columns = nano()
    flat = ak.to_numpy(ak.flatten(columns[name])).copy()
    flat[row] = value
    columns[name] = ak.unflatten(flat, ak.num(columns[name]))
    with pytest.raises(DataError, match=f"in.root: {message}"):
        opened(columns, collection="Jet").read(0, 0, 3)


@pytest.mark.parametrize(
    ("changes", "layout", "error", "message"),
    [
        ({}, {"collection": "Jets"}, ConfigError, "no collection 'Jets' .*there are: Jet, PFCands"),
        ({}, {"radius": 0.4}, ConfigError, "a radius is given, but no collection"),
        (
            {"JetPFCands_jetIdx": None},
            {"collection": "Jet"},
            ConfigError,
            "nothing says which constituents are in which of the jets 'Jet'.*: give a radius",
        ),
        (
            {"PFCands_eta": None},
            {"collection": "Jet"},
            ConfigError,
            "no constituents found for the jets 'Jet': name lists of them",
        ),
        (
            {"Jet_mass": ragged([[5], [], [3]])},
            {"collection": "Jet"},
            DataError,
            "column 'Jet_mass', event 0: has 1 entries, expected 2",
        ),
        (
            {"PFCands_phi": ragged([[1, 2, 3], [0, 0], [1, 2]])},
            {"collection": "Jet"},
            DataError,
            "event 1: 'PFCands_phi' has 2 entries, but 'PFCands_pt' has 1",
        ),
        (
            {name: ragged([[], [], []]) for name in nano() if name.startswith("Jet_")},
            {"collection": "Jet"},
            DataError,
            "the collection 'Jet' holds no jets",
        ),
        (
            {},
            {"collection": "Jet", "radius": 0.4, "constituents": {"pt": "PFCands_pt"}},
            ConfigError,
            "a radius needs eta and phi of the constituents, and the study names only pt",
        ),
        ({}, {"collection": "Jet", "columns": {"label": "Jet_x"}}, ConfigError, "no dataset 'Jet_"),
    ],
)
def test_refusals(opened, changes, layout, error, message):
    columns = {name: column for name, column in (nano() | changes).items() if column is not None}
    with pytest.raises(error, match=message):
        opened(columns, **layout).read(0, 0, 3)


def test_any_run_of_rows_is_that_of_the_whole(opened):
    """Over marks of every 256th event, with events that have no jets."""
    rng = np.random.default_rng(11)
    n_jets, n_candidates = rng.integers(0, 3, 700), rng.integers(1, 5, 700)
    n_jets[250:262] = 0
    n_jets[690:] = 0
    jet, index, expected = [], [], []
    columns = {"event": np.arange(700), "run": np.ones(700), "luminosityBlock": np.ones(700)}
    columns = {name: values.astype(np.int64) for name, values in columns.items()}
    for role in ("pt", "eta", "phi"):
        columns[f"Jet_{role}"] = ak.unflatten(rng.random(n_jets.sum()), n_jets)
        columns[f"PFCands_{role}"] = ak.unflatten(rng.random(n_candidates.sum()), n_candidates)
    for event in range(700):
        n_links = int(rng.integers(0, 6)) if n_jets[event] else 0
        jet.append(rng.integers(0, max(n_jets[event], 1), n_links).tolist())
        index.append(rng.integers(0, n_candidates[event], n_links).tolist())
        pt = columns["PFCands_pt"][event].to_list()
        for number in range(n_jets[event]):
            links = zip(jet[-1], index[-1], strict=True)
            expected.append((event, [np.float32(pt[i]) for j, i in links if j == number]))
    columns |= {
        "JetPFCands_jetIdx": ragged(jet, np.int32),
        "JetPFCands_pFCandsIdx": ragged(index, np.int32),
    }
    source = opened(columns, collection="Jet", columns={"number": "event"})
    n = source.samples[0].n_events
    assert n == len(expected)
    runs = [tuple(sorted(rng.integers(0, n + 1, 2))) for _ in range(12)]
    for start, stop in [(0, n), (0, 1), (n - 1, n), (n, n), (5, 5), *runs]:
        table = source.read(0, int(start), int(stop))
        assert jets_of(table) == [pt for _, pt in expected[start:stop]]
        assert table.columns["number"].tolist() == [event for event, _ in expected[start:stop]]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    jet=st.lists(st.integers(-2, 3), min_size=3, max_size=3),
    index=st.lists(st.integers(-2, 4), min_size=3, max_size=3),
)
def test_links_are_followed_or_refused(opened, jet, index):
    columns = {n: c for n, c in nano().items() if n.endswith(("_pt", "_eta", "_phi"))}
    columns["JetPFCands_jetIdx"] = ragged([jet, [], []], np.int32)
    columns["JetPFCands_pFCandsIdx"] = ragged([index, [], []], np.int32)
    is_bad = any(j not in (0, 1) for j in jet) or any(i not in (0, 1, 2) for i in index)
    try:
        found = jets_of(opened(columns, collection="Jet").read(0, 0, 2))
    except DataError:
        assert is_bad
        return
    links = list(zip(jet, index, strict=True))
    assert found == [[(9, 8, 7)[i] for j, i in links if j == number] for number in (0, 1)]


# Delphes


def delphes():
    """Two events: tracks with PT, photons and hadrons with ET; a track of PT = 0."""
    records = {
        "EFlowTrack": {
            "PT": [[9, 0], [8]],
            "Eta": [[0.1, 999.9], [0.2]],
            "Phi": [[3.1, 0], [1]],
            "Charge": [[1, -1], [-1]],
            "PID": [[211, -211], [-11]],
            "fUniqueID": [[11, 12], [11]],
        },
        "EFlowPhoton": {
            "ET": [[], [7, 6]],
            "Eta": [[], [0.3, 2]],
            "Phi": [[], [1.1, 1]],
            "fUniqueID": [[], [12, 13]],
        },
        "EFlowNeutralHadron": {
            "ET": [[5], []],
            "Eta": [[0.1], []],
            "Phi": [[-3.1], []],
            "fUniqueID": [[30], []],
        },
        "Jet": {
            "PT": [[14], [15, 6]],
            "Eta": [[0.1], [0.25, 2]],
            "Phi": [[-3.1], [1.05, 1]],
            "Mass": [[1], [2, 3]],
            "Flavor": [[21], [5, 0]],
            "Constituents": [[[30, 11]], [[12, 11], [13]]],
        },
    }
    whole = ("Charge", "PID", "fUniqueID", "Flavor", "Constituents")
    return {
        name: ak.zip(
            {m: ragged(v, np.int32 if m in whole else np.float32) for m, v in members.items()},
            depth_limit=2,
        )
        for name, members in records.items()
    } | {"Event": ak.zip({"Weight": ragged([[0.5], [2]])})}


def delphes_tree():
    """Return the same as branches of a tree, which uproot cannot write lists of lists to."""
    return {
        f"{name}.{member}": column[member]
        for name, column in delphes().items()
        for member in column.fields
        if member != "Constituents"
    }


def test_energy_flow_of_events(opened):
    source = opened(delphes_tree(), name="Delphes", columns={"weight": "Event.Weight"})
    assert source.layout.constituents == {
        "pt": "EFlowTrack.PT, EFlowPhoton.ET, EFlowNeutralHadron.ET",
        "eta": "EFlowTrack.Eta, EFlowPhoton.Eta, EFlowNeutralHadron.Eta",
        "phi": "EFlowTrack.Phi, EFlowPhoton.Phi, EFlowNeutralHadron.Phi",
        "charge": "EFlowTrack.Charge, 0, 0",
        "pdgid": "EFlowTrack.PID, 22, 0",
    }
    table = source.read(0, 0, 2)
    # The track of PT = 0 and eta = 999.9 is left out.
    assert jets_of(table) == [[9, 5], [8, 7, 6]]
    assert table.constituents["charge"].tolist() == [1, 0, -1, 0, 0]
    assert table.constituents["pdgid"].tolist() == [211, 0, -11, 22, 22]
    assert table.columns["weight"].tolist() == [0.5, 2]
    assert jets_of(source.read(0, 1, 2)) == [[8, 7, 6]]


def test_energy_flow_that_jets_refer_to(opened):
    source = opened(
        delphes(),
        writer="mkrntuple",
        name="Delphes",
        collection="Jet",
        columns={"label": "Jet/Flavor", "weight": "Event/Weight"},
    )
    table = source.read(0, 0, 3)
    assert jets_of(table) == [[5, 9], [7, 8], [6]]
    assert table.columns["label"].tolist() == [21, 5, 0]
    assert table.columns["weight"].tolist() == [0.5, 2, 2]
    assert table.columns["mass"].tolist() == [1, 2, 3]
    assert jets_of(source.read(0, 2, 3)) == [[6]]


def test_a_reference_to_nothing(opened):
    columns = delphes()
    columns["Jet"]["Constituents"] = ragged([[[30, 11]], [[12, 11], [30]]], np.int32)
    source = opened(columns, writer="mkrntuple", name="Delphes", collection="Jet")
    with pytest.raises(DataError, match="event 1, jet 1: .* refers to object 30, .*give a radius"):
        source.read(0, 0, 3)


def test_energy_flow_near_the_axis(opened):
    layout = {"name": "Delphes", "collection": "Jet", "radius": 0.4}
    table = opened(delphes_tree(), **layout).read(0, 0, 3)
    # The track at phi = 3.1 is 0.08 from the axis at -3.1.
    assert jets_of(table) == [[9, 5], [8, 7], [6]]
    with pytest.raises(ConfigError, match="no references Jet.Constituents to them: give a radius"):
        opened(delphes_tree(), name="Delphes", collection="Jet")


def test_axes_and_objects_of_different_units(opened):
    columns = delphes_tree()
    columns["Jet.Phi"] = np.degrees(columns["Jet.Phi"])
    source = opened(columns, name="Delphes", collection="Jet", radius=0.4, units={"Jet.Phi": "deg"})
    assert jets_of(source.read(0, 0, 3)) == [[9, 5], [8, 7], [6]]


@pytest.mark.parametrize("unit", ["rad", "deg"])
def test_nearest_axis_against_a_slow_reference(opened, unit):
    rng = np.random.default_rng(2)
    n_jets, n_candidates = rng.integers(0, 5, 30), rng.integers(0, 40, 30)
    turn = np.pi if unit == "rad" else 180
    columns = {}
    for name, counts in (("Jet", n_jets), ("PFCands", n_candidates)):
        n = counts.sum()
        columns[f"{name}_pt"] = ak.unflatten(np.arange(1, n + 1, dtype=np.float32), counts)
        columns[f"{name}_eta"] = ak.unflatten(rng.uniform(-1, 1, n), counts)
        columns[f"{name}_phi"] = ak.unflatten(rng.uniform(-turn, turn, n), counts)
    source = opened(columns, collection="Jet", radius=0.7, units={"phi": unit})
    expected = []
    for event in range(30):
        jets, candidates = (
            [columns[f"{name}_{role}"][event].to_list() for role in ("pt", "eta", "phi")]
            for name in ("Jet", "PFCands")
        )
        found = [[] for _ in jets[0]]
        for pt, eta, phi in zip(*candidates, strict=True):
            distances = [
                np.hypot(e - eta, (p - phi + turn) % (2 * turn) * np.pi / turn - np.pi)
                for _, e, p in zip(*jets, strict=True)
            ]
            if distances and min(distances) < 0.7:
                found[int(np.argmin(distances))].append(pt)
        expected += found
    assert jets_of(source.read(0, 0, source.samples[0].n_events)) == expected
    assert 0 < sum(map(len, expected)) < n_candidates.sum()


# Lists of lists


def nested():
    return {
        "jet_pt": ragged([[50, 40], [], [30]]),
        "jet_eta": ragged([[0.5, -0.5], [], [1]]),
        "jet_phi": ragged([[1, 2], [], [3]]),
        "jet_constituents_pt": ragged([[[9, 0, 8], []], [], [[7]]]),
        "jet_constituents_eta": ragged([[[0.1, 0, 0.2], []], [], [[0.3]]]),
        "jet_constituents_phi": ragged([[[1, 0, 2], []], [], [[3]]]),
    }


def test_lists_of_lists(opened):
    source = opened(nested(), writer="mkrntuple", collection="jet")
    table = source.read(0, 0, 3)
    assert jets_of(table) == [[9, 8], [], [7]]
    assert jets_of(source.read(0, 2, 3)) == [[7]]
    assert table.constituents["eta"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert table.columns["pt"].tolist() == [50, 40, 30]


def test_named_lists_of_lists(opened):
    columns = {name.replace("jet_constituents", "inner"): c for name, c in nested().items()}
    roles = {role: f"inner_{role}" for role in ("pt", "eta", "phi")}
    source = opened(columns, writer="mkrntuple", collection="jet", constituents=roles)
    assert jets_of(source.read(0, 0, 3)) == [[9, 8], [], [7]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[[1, 0, 2]], [], [[3]]], "column 'jet_constituents_phi', event 0: has 1 entries, .* 2"),
        ([[[1, 0], []], [], [[3]]], "event 0, jet 0: 'jet_constituents_phi' has 2 entries, but"),
    ],
)
def test_lists_of_lists_of_other_lengths(opened, column, message):
    columns = nested() | {"jet_constituents_phi": ragged(column)}
    source = opened(columns, writer="mkrntuple", collection="jet")
    with pytest.raises(DataError, match=message):
        source.read(0, 0, 3)


def test_of_many_columns_a_message_names_those_that_are_called_alike(opened):
    columns = nano() | {f"HLT_{i}": np.array([0, 1, 0]) for i in range(100)}
    message = r"no dataset 'Jet_partonFlavor'; there are: Jet_partonFlavour, .*… \(1\d\d in all\)"
    with pytest.raises(ConfigError, match=message) as caught:
        opened(columns, collection="Jet", columns={"label": "Jet_partonFlavor"})
    assert len(str(caught.value)) < 500


def test_links_that_are_no_whole_numbers(opened):
    columns = nano() | {"JetPFCands_jetIdx": ragged([[0, 1, np.nan], [], [0, 0]])}
    with pytest.raises(DataError, match="event 0, jet .* 'JetPFCands_jetIdx' says nan, but the ev"):
        opened(columns, collection="Jet").read(0, 0, 3)


def test_energy_flow_of_which_a_part_is_missing(opened):
    columns = {name: c for name, c in delphes_tree().items() if name != "EFlowTrack.PT"}
    with pytest.raises(ConfigError, match="EFlowTrack has no lists of pT, eta and phi, and witho"):
        opened(columns, name="Delphes")


def test_energy_flow_without_tracks(opened):
    columns = {n: c for n, c in delphes_tree().items() if not n.startswith("EFlowTrack")}
    table = opened(columns, name="Delphes").read(0, 0, 2)
    assert jets_of(table) == [[5], [7, 6]]
    assert table.constituents["charge"].tolist() == [0, 0, 0]
    assert table.constituents["pdgid"].tolist() == [0, 22, 22]
