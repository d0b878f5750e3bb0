"""Stage ``preprocess``: input files to an image store.

The input is cut into partitions of a fixed number of events, each with its share of every sample,
so that classes come mixed. A partition is read, aligned, projected and divided into the splits, and
becomes one piece on disk; then the pieces are written to the store in their order. Memory is set by
a partition; the result depends neither on the number of workers nor on interruptions.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from detcnn.artifacts.digests import file_digest, value_digest
from detcnn.artifacts.kinds import IMAGES
from detcnn.artifacts.manifest import Input
from detcnn.artifacts.opening import Artifact, find_current
from detcnn.artifacts.publishing import build_artifact, refuse_existing
from detcnn.config.preprocess import PreprocessConfig
from detcnn.events.labels import Classes
from detcnn.events.observables import OBSERVABLES
from detcnn.progress import SILENT, Progress
from detcnn.sources.opening import files_read, read_provenance
from detcnn.stages.preprocessing.image_plan import ImagePlan, image_identity, plan_images, remarks
from detcnn.stages.preprocessing.image_writing import write_images
from detcnn.stages.preprocessing.inputs import input_files, open_sources
from detcnn.stages.preprocessing.partitions import Partition, make_pieces
from detcnn.storage.pieces import Piece
from detcnn.storage.schema import STORE, ChannelInfo

_PIECES = "pieces"


@dataclass(frozen=True, slots=True)
class PreprocessResult:
    """What preprocessing made.

    Parameters
    ----------
    artifact : Artifact
        The images.
    n_resumed : int
        Partitions that an earlier, interrupted run had finished.
    n_partitions : int
        Partitions in all.
    """

    artifact: Artifact
    n_resumed: int
    n_partitions: int


def run(
    config: PreprocessConfig,
    *,
    base: Path,
    output: Path,
    unseen_by: Classes | None = None,
    unstated: tuple[ChannelInfo, ...] = (),
    check: Callable[[ImagePlan], None] = lambda _: None,
    workers: int = 1,
    overwrite: bool = False,
    update: bool = False,
    progress: Progress = SILENT,
) -> PreprocessResult:
    """Turn input files into an image store.

    Parameters
    ----------
    config : PreprocessConfig
        What to do.
    base : Path
        Folder that relative input paths start from.
    output : Path
        Where the artifact goes.
    unseen_by : Classes, optional
        Those of a trained model that is to be shown these events: all go to the test split, and
        none need tell its class.
    unstated : tuple of ChannelInfo
        What the channels of ready images are, where the files state nothing of them.
    check : callable
        Given the plan before any work; raises if it is not to be carried out.
    workers : int
        Number of processes; the result does not depend on it.
    overwrite : bool
        Replace an existing artifact.
    update : bool
        Leave what is there as it is if this run would make the same, and replace it if not.
    progress : Progress
        Hears how far it is.

    Returns
    -------
    PreprocessResult

    Raises
    ------
    ConfigError
        If the study does not fit the input.
    DataError
        If the input is malformed, or a class is absent from a split.
    OutputExistsError
        If the output exists or is being written.
    """
    overwrite = overwrite or update
    refuse_existing(output, overwrite=overwrite)
    sources = open_sources(config, base=base, may_lack_truth=unseen_by is not None)
    named = input_files(config, base=base)
    for path in (path for of_source in named for path in of_source):
        if read_provenance(path).get("complete") is False:
            progress.warn(f"{path}: its simulation was interrupted: it has fewer events than asked")
    files = [
        # A file of labels may be read with each of several others.
        [*dict.fromkeys(f for path in of_source for f in files_read(path, source.layout))]
        for of_source, source in zip(named, sources, strict=True)
    ]
    paths = [path for of_source in files for path in of_source]
    plan = plan_images(config, sources, base=base, unseen_by=unseen_by, unstated=unstated)
    check(plan)
    for remark in remarks(config, plan):
        progress.warn(remark)
    kept = [name for name in OBSERVABLES if name in set(plan.columns) - set(plan.observables)]
    if kept:
        progress.info(f"{', '.join(kept)}: the input's own, not worked out of the constituents")
    inputs = [
        Input(
            role=f"source {i}" if len(of_source) == 1 else f"source {i}, file {k}",
            name=path.name,
            digest=file_digest(path),
        )
        for i, of_source in enumerate(files)
        for k, path in enumerate(of_source)
    ]
    if config.hexagonal is not None:
        geometry = base / config.hexagonal.geometry
        inputs.append(Input(role="geometry", name=geometry.name, digest=file_digest(geometry)))
        paths.append(geometry)
    identity = value_digest(
        {
            "format": IMAGES.version,
            "config": config.identity(),
            "inputs": [entry.digest for entry in inputs],
            **({} if unseen_by is None else {"unseen_by": asdict(unseen_by)}),
            **({} if not unstated else {"unstated": [asdict(info) for info in unstated]}),
        }
    )
    current = find_current(output, kind=IMAGES, identity=identity) if update else None
    if current is not None:
        return PreprocessResult(current, plan.n_partitions, plan.n_partitions)
    with build_artifact(output, kind=IMAGES, identity=identity, overwrite=overwrite) as builder:
        pieces_folder = builder.folder / _PIECES
        pieces_folder.mkdir(exist_ok=True)
        paths_of_pieces = [pieces_folder / f"{i:06d}.npz" for i in range(plan.n_partitions)]
        to_do = [
            Partition(plan, i, path) for i, path in enumerate(paths_of_pieces) if not path.exists()
        ]
        n_resumed = plan.n_partitions - len(to_do)
        if n_resumed:
            progress.info(f"going on: {n_resumed} of {plan.n_partitions} partitions are done")
        n_events = sum(sample.n_events for source in sources for sample in source.samples)
        task = progress.task("events to images", total=n_events, unit="events")
        task.advance(n_resumed * n_events / plan.n_partitions)
        make_pieces(
            to_do,
            workers=workers,
            on_result=lambda _: task.advance(n_events / plan.n_partitions),
        )
        task.finish()
        pieces = [Piece(path) for path in paths_of_pieces]
        contents = write_images(builder.folder / STORE, config, plan, pieces, progress)
        contents["image"] = image_identity(config, base=base)
        artifact = builder.publish(
            scratch=(_PIECES,),
            stage="preprocess",
            config=config.identity(),
            inputs=inputs,
            contents=contents,
            circumstances={"inputs": [str(path) for path in paths], "workers": workers},
        )
    return PreprocessResult(artifact, n_resumed, plan.n_partitions)
