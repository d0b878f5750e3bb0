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
    inputs: Sequence[Path] | None = None,
) -> OpenedStudy:
    """Read a study, with another folder and other input files in place of those it names.

    Raises
    ------
    ConfigError
        If the study is faulty, or there is another number of inputs than of sources.
    """
    study = load_study(path, overrides or ())
    if inputs:
        sources = study.preprocess.sources
        if len(inputs) != len(sources):
            raise ConfigError(
                f"--input: {len(inputs)} files for the {len(sources)} sources of {path}: "
                "give one for each, in their order"
            )
        replaced = tuple(
            source.model_copy(update={"path": given.absolute()})
            for source, given in zip(sources, inputs, strict=True)
        )
        preprocess = study.preprocess.model_copy(update={"sources": replaced})
        study = study.model_copy(update={"preprocess": preprocess})
    return OpenedStudy(study, folder=path.parent, output=work or path.parent / study.output)
