"""Run benchmarks: ``python -m benchmarks [STAGE ...] [--quick] [--output FILE]``."""

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks.machine import description

STAGES = (
    "startup",
    "projection",
    "preprocess",
    "loading",
    "training",
    "evaluation",
    "simulation",
    "scaling",
)


def main() -> None:
    """Print a table for each comparison of each stage, and keep them if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--quick", action="store_true", help="small and once: does it run?")
    parser.add_argument("--output", type=Path, help="folder for one Markdown file a stage")
    arguments = parser.parse_args()
    unknown = set(arguments.stages) - set(STAGES)
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are: {', '.join(STAGES)}")
    print(description(), end="\n\n")
    for stage in arguments.stages or STAGES:
        tables = import_module(f"benchmarks.{stage}").run(quick=arguments.quick)
        text = "\n".join(table.markdown() for table in tables)
        print(f"## {stage}\n\n{text}", flush=True)
        if arguments.output is not None:
            arguments.output.mkdir(parents=True, exist_ok=True)
            page = f"# {stage}\n\n{description()}\n\n{text}"
            (arguments.output / f"{stage}.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
