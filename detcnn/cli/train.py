"""``detcnn train``: images to a model."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detcnn.cli.console import command, print_summary, show_progress
from detcnn.cli.options import (
    AsJson,
    Debug,
    Images,
    Output,
    Overrides,
    Overwrite,
    Quiet,
    StudyFile,
    Update,
    Verbose,
    Work,
)

if TYPE_CHECKING:
    from detcnn.config.train import TrainConfig
    from detcnn.progress import Progress
    from detcnn.stages.train import TrainResult

_STUDY = "Options of the study"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="train")(command(_train))


def _train(
    study: StudyFile,
    images: Images = None,
    work: Work = None,
    output: Output = None,
    overrides: Overrides = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="As -s train.epochs=...", rich_help_panel=_STUDY, show_default=False),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="As -s train.optimiser.learning_rate=...",
            rich_help_panel=_STUDY,
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="As -s train.batch_size=...", rich_help_panel=_STUDY, show_default=False),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            help="As -s train.network={name: ...}, with the options of its own.",
            rich_help_panel=_STUDY,
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="As -s train.precision=...", rich_help_panel=_STUDY, show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="As -s train.seed=...", rich_help_panel=_STUDY, show_default=False),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Train once for each seed, 1 to so many, or those of a list as in 2,5,7; the "
            "models get the seed as an ending, as in model-2.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and make a few steps, but write nothing."),
    ] = False,
    find_learning_rate: Annotated[
        bool,
        typer.Option(
            "--find-learning-rate",
            help="Raise the learning rate from step to step and show what the loss does, in the "
            "folder learning-rates; no model is made.",
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on from the last checkpoint; start afresh if there is none."
        ),
    ] = False,
    overwrite: Overwrite = False,
    update: Update = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
) -> None:
    """Train a network on images and keep the weights of its best epoch.

    SIGTERM and SIGUSR1 write a checkpoint and end with exit code 75; --resume goes on from there.

    It takes a thread for each processor that no other program keeps busy
    when it starts, or as many as OMP_NUM_THREADS says. On the CPU, results
    depend on their number to the bit: --resume takes the one of before.

    Examples:

        detcnn train pipelines/quark_gluon/study.yaml

        detcnn train study.yaml --resume

        detcnn train study.yaml --epochs 5 --seed 2 -o work/model-2

        detcnn train study.yaml -s train.ema={} --learning-rate 3e-4 --seeds 3

        detcnn train study.yaml --network komiske2017 --dry-run

        detcnn train study.yaml --find-learning-rate
    """
    from detcnn.errors import ConfigError
    from detcnn.processors import available_cpus, busy_cpus, prepare_threads

    # Before torch is imported, which happens with the stages.
    is_given = "OMP_NUM_THREADS" in os.environ
    n_busy = 0 if is_given else busy_cpus()
    prepare_threads(n_busy=n_busy)

    from detcnn.cli.studies import open_study

    if sum((dry_run, find_learning_rate, seeds is not None)) > 1 or (seeds and seed is not None):
        raise ConfigError(
            "--dry-run, --find-learning-rate and --seeds exclude each other, and --seed excludes "
            "--seeds: give one of them"
        )
    flags = {
        "epochs": epochs,
        "optimiser.learning_rate": learning_rate,
        "batch_size": batch_size,
        "network": None if network is None else {"name": network},
        "precision": precision,
        "seed": seed,
    }
    given = [
        f"train.{key}={json.dumps(value)}" for key, value in flags.items() if value is not None
    ]
    # Before what is set key by key, such as options of the network that a flag names.
    opened = open_study(study, [*given, *(overrides or ())], work=work)
    config = opened.study.train
    place = images or opened.output / "images"
    with show_progress(quiet=quiet) as progress:
        if n_busy:
            n_threads = os.environ["OMP_NUM_THREADS"]
            progress.info(
                f"{n_busy} of {available_cpus()} processors are busy with other programs: training "
                f"with {n_threads} thread{'s' if n_threads != '1' else ''}; OMP_NUM_THREADS chooses"
            )
        if dry_run:
            summary = _rehearse(config, place, opened.folder, progress)
        elif find_learning_rate:
            target = output or opened.output / "learning-rates"
            summary = _find_learning_rate(
                config, place, opened.folder, target, overwrite or update, progress
            )
        else:
            from detcnn.stages.train import run

            target = output or opened.output / "model"
            jobs = [(config, target)]
            if seeds is not None:
                jobs = [
                    (
                        config.model_copy(update={"seed": number}),
                        target.with_name(f"{target.name}-{number}"),
                    )
                    for number in _parse_seeds(seeds)
                ]
            results = [
                run(
                    job,
                    images=place,
                    output=path,
                    base=opened.folder,
                    resume=resume,
                    keep_threads=is_given,
                    overwrite=overwrite,
                    update=update,
                    progress=progress,
                )
                for job, path in jobs
            ]
            summaries = [_summary(result, verbose=verbose) for result in results]
            summary = summaries[0] if seeds is None else _joined(summaries)
    print_summary(summary, as_json=as_json, quiet=quiet)


def _parse_seeds(text: str) -> list[int]:
    """Return 1 to N for "N", and the numbers of a list for "A,B,C"."""
    from detcnn.errors import ConfigError

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts) or text.strip() == "0":
        raise ConfigError(
            f"--seeds {text}: expected how many, as in 3, or a list, as in 2,5,7 or 4,"
        )
    numbers = [int(part) for part in parts]
    if "," not in text:
        return list(range(1, numbers[0] + 1))
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"--seeds {text}: a seed stands twice")
    return numbers


def _summary(result: "TrainResult", *, verbose: bool) -> dict[str, Any]:
    contents = result.artifact.manifest.contents
    summary: dict[str, Any] = {
        "model": str(result.artifact.path),
        "network": contents["network"],
        "parameters": contents["n_parameters"],
        "precision": contents["precision"],
        "epochs": contents["n_epochs"],
        "best": {name: value for name, value in contents["best"].items() if value is not None},
        "digest": result.artifact.manifest.digest,
    }
    if contents["n_trained"] != contents["n_parameters"]:
        summary["parameters_trained"] = contents["n_trained"]
    if result.was_complete:
        summary["finished_before"] = True
    if verbose:
        environment = result.artifact.manifest.environment
        summary |= {name: environment[name] for name in ("device", "threads", "seconds_per_epoch")}
    return summary


def _joined(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one summary of several trainings: what is common once, and a line for each model."""
    first = summaries[0]
    return {
        "network": first["network"],
        "parameters": first["parameters"],
        "precision": first["precision"],
        "models": {
            entry["model"]: {"digest": entry["digest"], "best": entry["best"]}
            for entry in summaries
        },
    }


def _rehearse(
    config: "TrainConfig", images: Path, base: Path, progress: "Progress"
) -> dict[str, Any]:
    from detcnn.stages.rehearse import run

    found = run(config, images=images, base=base, progress=progress)
    return {
        "network": found.network,
        "image_shape": list(found.image_shape),
        "outputs": found.n_outputs,
        "parameters": found.n_parameters,
        "parameters_trained": found.n_trained,
        "precision": found.precision,
        "device": found.device,
        "images": found.n_images,
        "steps_per_epoch": found.n_steps,
        "losses": list(found.losses),
        "images_per_second": found.images_per_second,
        "seconds_per_epoch": found.seconds_per_epoch,
        "peak_memory_gib": found.peak_memory / 2**30,
    }


def _find_learning_rate(
    config: "TrainConfig",
    images: Path,
    base: Path,
    output: Path,
    overwrite: bool,
    progress: "Progress",
) -> dict[str, Any]:
    from detcnn.stages.learning_rate import run

    result = run(
        config, images=images, output=output, base=base, overwrite=overwrite, progress=progress
    )
    return {
        "learning_rates": str(result.artifact.path),
        "steps": len(result.points),
        "steepest_at": result.suggestion.steepest,
        "lowest_at": result.suggestion.lowest,
        "suggested": result.suggestion.suggested,
        "digest": result.artifact.manifest.digest,
    }
