"""``detcnn config``: what a study file resolves to."""

from pathlib import Path
from typing import Annotated

import typer

from detcnn.cli.console import command
from detcnn.cli.options import AsJson, Debug, Overrides, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="config")(command(_config))


def _config(
    study: Annotated[
        Path | None,
        typer.Argument(metavar="STUDY.yaml", help="The study file.", show_default=False),
    ] = None,
    overrides: Overrides = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of study files instead.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print what a study resolves to: every default and preset written out.

    With --quiet the study is only checked.

    Examples:

        detcnn config pipelines/quark_gluon/study.yaml

        detcnn config study.yaml --set train.epochs=5 --json

        detcnn config --schema > detcnn.schema.json
    """
    import json

    from detcnn.config.loading import dump_study, load_study, study_schema
    from detcnn.errors import ConfigError

    if schema:
        print(json.dumps(study_schema(), indent=2))
        return
    if study is None:
        raise ConfigError("config: name a study file, or use --schema")
    resolved = load_study(study, overrides or ())
    if as_json:
        print(json.dumps(resolved.model_dump(mode="json", by_alias=True), indent=2))
    elif not quiet:
        print(dump_study(resolved), end="")
