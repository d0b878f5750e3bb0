"""All that a judge looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detcnn.artifacts.opening import Artifact
from detcnn.config.evaluate import EvaluateConfig
from detcnn.errors import ConfigError, DataError
from detcnn.evaluation.event_bootstrap import Bootstrap
from detcnn.events.identity import physical_events
from detcnn.stages.frames import Frames
from detcnn.stages.judging.bins import bin_edges
from detcnn.stages.judging.units import ToldUnits
from detcnn.storage.reader import ImageStore

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """All that a judge looks at.

    Parameters
    ----------
    config : EvaluateConfig
        What to quote.
    task : mapping
        The description of the task, or of one head of several.
    scores : Artifact
        Where maps and points are.
    store : ImageStore
        The images.
    frames : Frames
        The same as whole frames, of the split that is judged.
    table : mapping
        The table of scores, one row an image.
    units : ToldUnits
        In which columns and what is said of them are told.
    prefix : str
        Of the columns of the task in it.
    """

    config: EvaluateConfig
    task: Mapping[str, Any]
    scores: Artifact
    store: ImageStore
    frames: Frames
    table: Columns
    units: ToldUnits
    prefix: str = ""

    def bootstrap(self, rows: NDArray[np.int64] | None = None) -> Bootstrap:
        """Return how intervals are made, of all rows, or of the events `rows`."""
        config = self.config
        unit = physical_events(self.column("event_id"), self.column("source"))
        return Bootstrap(
            level=config.level,
            n_replicas=config.replicas,
            seed=config.seed,
            unit=unit if rows is None else unit[rows],
        )

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the images.

        Raises
        ------
        DataError
            If there is none.
        """
        if f"column_{name}" not in self.table:
            raise DataError(
                f"{self.store.path}: has no column {name!r} to judge by: the input does not tell it"
            )
        return self.table[f"column_{name}"]

    def binned(self, rows: NDArray[np.int64] | None = None) -> dict[str, Any]:
        """Return columns, edges and units of the study's bins, of the events `rows`.

        Raises
        ------
        ConfigError
            If there is no such column, or its edges do not rise.
        """
        columns, edges, units = {}, {}, {}
        for bins in self.config.efficiency_bins:
            if f"column_{bins.column}" not in self.table:
                there = ", ".join(
                    n.removeprefix("column_") for n in self.table if n[:7] == "column_"
                )
                raise ConfigError(
                    f"evaluate.efficiency_bins: no column {bins.column!r} in the scores; "
                    f"there are: {there}"
                )
            values = self.units.told(bins.column, self.column(bins.column))
            columns[bins.column] = values if rows is None else values[rows]
            edges[bins.column] = bin_edges(bins, columns[bins.column])
            units[bins.column] = self.units.unit(bins.column)
        return {"columns": columns, "edges": edges, "units": units}

    def first_rows(self) -> NDArray[np.int64]:
        """Return the row of the table that stands for each frame."""
        return self.frames.first_rows(self.column("event_id"))
