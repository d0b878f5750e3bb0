"""Published definitions of sets of simulated jets: a new set is one more entry here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Veto:
    """Which events are given up before the costly part of them is generated.

    Multiple interactions and hadrons cost ten times as much as all that comes before them. When
    the shower has come down to `scale`, the final jet lies between two jets of the partons that
    are there: one of half its radius, which it can hardly undercut, and one of one and a half times
    its radius, which it can hardly exceed. Comparing with both keeps broad jets, which a window on
    one of them would drop. A resonance counts as one parton here, for it decays later.

    Parameters
    ----------
    scale : float
        Evolution scale pT [GeV] of the decision.
    narrow_below : float
        The hardest jet of half the radius must have a pT below this [GeV].
    wide_from : float
        The hardest jet of one and a half times the radius must have at least this pT [GeV] ...
    wide_rapidity : float
        ... and an absolute rapidity below this.
    audit_every : int
        One event in so many is generated to its end, and its jet kept, whatever the verdict; so
        the run itself tells how many wanted jets the veto costs.
    """

    scale: float
    narrow_below: float
    wide_from: float
    wide_rapidity: float
    audit_every: int = 200


@dataclass(frozen=True, slots=True)
class HardVeto:
    """Which events are given up by the hard process, before any shower.

    For jets that a resonance of the hard process becomes; its decay products lie too far apart
    for `Veto` to judge.

    Parameters
    ----------
    particle : int
        Absolute PDG id of the resonance.
    pt : tuple of float
        Its pT in the hard process must be in this range [GeV].
    max_eta : float
        Its absolute pseudorapidity there must be below this.
    audit_every : int
        As in `Veto`.
    """

    particle: int
    pt: tuple[float, float]
    max_eta: float
    audit_every: int = 200


@dataclass(frozen=True, slots=True)
class Truth:
    """A particle that decays to quarks, all of which must be in the jet.

    Parameters
    ----------
    particle : int
        Absolute PDG id: 6 for a top quark, 24 for a W boson. Its last copy counts.
    radius : float
        It and the quarks that it and its W decay to are closer to the jet's axis than this, in
        η–φ.
    """

    particle: int
    radius: float


@dataclass(frozen=True, slots=True)
class Process:
    """One physics process, which makes the jets of one class.

    Parameters
    ----------
    name : str
        The class.
    settings : tuple of str
        What Pythia is told besides the settings common to all processes of the definition.
    veto : Veto or HardVeto
        Which events need not be generated to their end.
    truth : Truth, optional
        What the jet must be.
    """

    name: str
    settings: tuple[str, ...]
    veto: Veto | HardVeto
    truth: Truth | None = None


@dataclass(frozen=True, slots=True)
class Trimming:
    """Removal of soft subjets (Krohn, Thaler & Wang, JHEP 02 (2010) 084).

    Parameters
    ----------
    radius : float
        Of the kT subjets.
    fraction : float
        Subjets with less than this share of the jet's pT are taken away.
    """

    radius: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Definition:
    """Proton collisions, and which jet of each is kept: the hardest, if it is in the window.

    Parameters
    ----------
    name : str
        What a user types; a part of what seeds the generator.
    settings : tuple of str
        Pythia settings common to all processes.
    processes : tuple of Process
        The label of a jet is the index of its process.
    radius : float
        Of the anti-kT jets (E-scheme, visible final state with real masses).
    pt : tuple of float
        Lower and upper edge of jet pT [GeV], half-open; after trimming, if there is any.
    max_rapidity, max_eta : float, optional
        Jets have an absolute rapidity or pseudorapidity below this.
    source : str
        Where the definition is published, and what of it is ours.
    trimming : Trimming, optional
        What is done to the jet before it is looked at; its constituents are those that remain.
    """

    name: str
    settings: tuple[str, ...]
    processes: tuple[Process, ...]
    radius: float
    pt: tuple[float, float]
    source: str
    max_rapidity: float | None = None
    max_eta: float | None = None
    trimming: Trimming | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their labels."""
        return tuple(process.name for process in self.processes)


_LHC = ("Beams:idA = 2212", "Beams:idB = 2212", "Beams:eCM = 14000.")

_QUARK_GLUON_VETO = Veto(scale=10.0, narrow_below=610.0, wide_from=480.0, wide_rapidity=2.0)

QUARK_GLUON = Definition(
    name="quark-gluon",
    settings=(
        *_LHC,
        "WeakZ0:gmZmode = 2",
        "23:onMode = off",
        "23:onIfAny = 12 14 16",
        # Below, fewer than one jet in 200 is lost; at 400 it would be one quark jet in 14.
        "PhaseSpace:pTHatMin = 300.",
    ),
    processes=(
        Process("gluon", ("WeakBosonAndParton:qqbar2gmZg = on",), _QUARK_GLUON_VETO),
        # The light quarks alone, for this class alone: gluon jets may come from any quark.
        Process(
            "quark",
            ("WeakBosonAndParton:qg2gmZq = on", "PDFinProcess:nQuarkIn = 3"),
            _QUARK_GLUON_VETO,
        ),
    ),
    radius=0.4,
    pt=(500.0, 550.0),
    max_rapidity=1.7,
    source="Komiske, Metodiev, Thaler: Pythia8 Quark and Gluon Jets for Energy Flow, "
    "doi:10.5281/zenodo.3164691 (JHEP 01 (2019) 121)",
)
"""Z (to neutrinos) with a gluon or a light-quark jet at 14 TeV."""

_TOP_VETO = Veto(scale=5.0, narrow_below=740.0, wide_from=520.0, wide_rapidity=2.6)

TOP_QCD = Definition(
    name="top-qcd",
    settings=(
        *_LHC,
        "PartonLevel:MPI = off",
        # Below come 0.3 % of the QCD jets; at 325 it would be 2.5 %.
        "PhaseSpace:pTHatMin = 300.",
    ),
    processes=(
        Process("qcd", ("HardQCD:all = on",), _TOP_VETO),
        Process(
            "top",
            (
                "Top:gg2ttbar = on",
                "Top:qqbar2ttbar = on",
                "24:onMode = off",
                "24:onIfAny = 1 2 3 4 5",
            ),
            _TOP_VETO,
            truth=Truth(particle=6, radius=0.8),
        ),
    ),
    radius=0.8,
    pt=(550.0, 650.0),
    max_eta=2.0,
    source="selection of Kasieczka, Plehn, Thompson, Russell: Top Quark Tagging Reference "
    "Dataset, doi:10.5281/zenodo.2603256 (SciPost Phys. 7 (2019) 014), at particle level: without "
    "its detector simulation",
)
"""Hadronic top quarks against QCD dijets at 14 TeV, without multiple interactions."""

W_QCD = Definition(
    name="w-qcd",
    settings=(*_LHC,),
    processes=(
        Process(
            "qcd",
            # Below come 0.3 % of the jets; at 140 it would be 1.8 %.
            ("HardQCD:all = on", "PhaseSpace:pTHatMin = 125."),
            Veto(scale=10.0, narrow_below=340.0, wide_from=235.0, wide_rapidity=2.6),
        ),
        Process(
            "w",
            (
                "NewGaugeBoson:ffbar2Wprime = on",
                "Wprime:coup2WZ = 1.",
                # Broad, and at this mass, so that W and QCD jets have nearly the same pT spectrum.
                "34:m0 = 530.",
                "34:doForceWidth = on",
                "34:mWidth = 120.",
                "34:mMin = 400.",
                "34:mMax = 1200.",
                "34:onMode = off",
                "34:onIfMatch = 24 23",
                "WeakZ0:gmZmode = 2",
                "23:onMode = off",
                "23:onIfAny = 12 14 16",
                "24:onMode = off",
                "24:onIfAny = 1 2 3 4 5",
            ),
            HardVeto(particle=24, pt=(190.0, 370.0), max_eta=2.6),
            truth=Truth(particle=24, radius=1.0),
        ),
    ),
    radius=1.0,
    pt=(250.0, 300.0),
    max_eta=2.0,
    trimming=Trimming(radius=0.3, fraction=0.05),
    source="after de Oliveira, Kagan, Mackey, Nachman, Schwartzman, JHEP 07 (2016) 069: "
    "W' to WZ against QCD dijets, trimmed jets; the mass of the W' is ours",
)
"""W bosons from W' → W(qq) Z(νν) against QCD dijets at 14 TeV."""

DEFINITIONS: Mapping[str, Definition] = {
    definition.name: definition for definition in (QUARK_GLUON, TOP_QCD, W_QCD)
}
"""Every definition by its name."""
