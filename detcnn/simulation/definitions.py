"""Published definitions of sets of simulated jets: a new set is one more entry here."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One physics process, which makes the jets of one class.

    Parameters
    ----------
    name : str
        The class.
    settings : tuple of str
        What Pythia is told besides the settings common to all processes of the definition.
    """

    name: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Veto:
    """Which events are given up before most of their multiple interactions are generated.

    These cost ten times as much as all that comes before them. When the shower has come down to
    `scale`, the final jet lies between two jets of the partons that are there: one of half its
    radius, which it can hardly undercut, and one of one and a half times its radius, which it can
    hardly exceed. Comparing with both keeps broad jets, which a window on one of them would drop.

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
        Lower and upper edge of jet pT [GeV], half-open.
    max_rapidity : float
        Jets have an absolute rapidity below this.
    veto : Veto
        Which events need not be generated to their end.
    source : str
        Where the definition is published.
    """

    name: str
    settings: tuple[str, ...]
    processes: tuple[Process, ...]
    radius: float
    pt: tuple[float, float]
    max_rapidity: float
    veto: Veto
    source: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their labels."""
        return tuple(process.name for process in self.processes)


QUARK_GLUON = Definition(
    name="quark-gluon",
    settings=(
        "Beams:idA = 2212",
        "Beams:idB = 2212",
        "Beams:eCM = 14000.",
        "WeakZ0:gmZmode = 2",
        "23:onMode = off",
        "23:onIfAny = 12 14 16",
        # Below, fewer than one jet in 200 is lost; at 400 it would be one quark jet in 14.
        "PhaseSpace:pTHatMin = 300.",
    ),
    processes=(
        Process("gluon", ("WeakBosonAndParton:qqbar2gmZg = on",)),
        # The light quarks alone, for this class alone: gluon jets may come from any quark.
        Process("quark", ("WeakBosonAndParton:qg2gmZq = on", "PDFinProcess:nQuarkIn = 3")),
    ),
    radius=0.4,
    pt=(500.0, 550.0),
    max_rapidity=1.7,
    veto=Veto(scale=10.0, narrow_below=610.0, wide_from=480.0, wide_rapidity=2.0),
    source="Komiske, Metodiev, Thaler: Pythia8 Quark and Gluon Jets for Energy Flow, "
    "doi:10.5281/zenodo.3164691 (JHEP 01 (2019) 121)",
)
"""Z (to neutrinos) with a gluon or a light-quark jet at 14 TeV."""

DEFINITIONS: Mapping[str, Definition] = {
    definition.name: definition for definition in (QUARK_GLUON,)
}
"""Every definition by its name."""
