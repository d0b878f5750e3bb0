"""Opening the study a command works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detcnn.config.loading import load_study
from detcnn.config.study import Study
from detcnn.errors import ConfigError


@dataclass(frozen=True, slots=True)
class OpenedStudy:
    """A study, the folder its paths start from, and the folder of its artifacts."""

    study: Study
    folder: Path
    output: Path


def open_study(
    path: Path,
    overrides: Sequence[str] | None,
    *,
    work: Path | None,
    inputs: Sequence[str] | None = None,
) -> OpenedStudy:
    """Read a study, with another folder and other input files in place of those it names.

    Parameters
    ----------
    path : Path
        The study file.
    overrides : sequence of str, optional
        As given to ``--set``.
    work : Path, optional
        Folder of the artifacts.
    inputs : sequence of str, optional
        A path, pattern or ``@list.txt`` for each source, from where the process runs; all of them
        are for the source of a study that has but one.

    Raises
    ------
    ConfigError
        If the study is faulty, or there is another number of inputs than of sources.
    """
    study = load_study(path, overrides or ())
    if inputs:
        sources = study.preprocess.sources
        absolute = tuple(_absolute(entry) for entry in inputs)
        given = (absolute,) if len(sources) == 1 else absolute
        if len(given) != len(sources):
            raise ConfigError(
                f"--input: {len(inputs)} files for the {len(sources)} sources of {path}: "
                "give one for each, in their order"
            )
        replaced = tuple(
            source.model_copy(update={"path": entry})
            for source, entry in zip(sources, given, strict=True)
        )
        preprocess = study.preprocess.model_copy(update={"sources": replaced})
        study = study.model_copy(update={"preprocess": preprocess})
    return OpenedStudy(study, folder=path.parent, output=work or path.parent / study.output)


def _absolute(entry: str) -> str:
    is_list = entry.startswith("@")
    path = Path(entry.removeprefix("@")).absolute()
    return f"@{path}" if is_list else str(path)
