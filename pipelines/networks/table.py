"""Write a Markdown table of trained networks: ``python table.py TABLE WORK NETWORK ...``.

What each costs is counted by ``detcnn models summary``, how fast it trains is measured now by
``detcnn train --dry-run``, and how well it does stands in the comparison, where all have the same
test jets.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def detcnn(*arguments: str) -> dict[str, Any]:
    """Return what a command says as JSON."""
    command = [sys.executable, "-m", "detcnn", *arguments, "--json"]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    return found


def row(work: Path, name: str, entry: dict[str, Any]) -> tuple[float, str]:
    """Return the area under the ROC curve, and the line of a network."""
    model = work / name / "model"
    given = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["config"]
    options = given["network"]["options"]
    settings = [
        *("--network", name, "--set", f"train.network.options={json.dumps(options)}"),
        *("--set", f"train.standardise={json.dumps(given['standardise'])}"),
    ]
    cost = detcnn("models", "summary", str(model))
    speed = detcnn("train", "study.yaml", "--work", str(work), "--dry-run", *settings)
    auc = entry["auc"]
    rate = float(f"{speed['images_per_second']:.2g}")
    told = ", ".join(f"`{key}: {value}`" for key, value in options.items())
    cells = (
        f"`{name}`",
        told,
        f"{auc['value']:.4f} [{auc['low']:.4f}, {auc['high']:.4f}]",
        f"{cost['parameters']:,}",
        f"{cost['multiply_adds'] / 1e6:,.1f} M",
        f"{rate:,.0f}",
    )
    return auc["value"], f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the table, the best network first."""
    table, work, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    text = (work / "comparison" / "comparison.json").read_text(encoding="utf-8")
    entries = {entry["label"]: entry for entry in json.loads(text)["entries"]}
    rows = [row(work, name, entries[name]) for name in names]
    lines = [
        "| network | options | test AUC | parameters | multiply-adds | images/s in training |",
        "|---|---|---|---|---|---|",
        *(line for _, line in sorted(rows, reverse=True)),
    ]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
