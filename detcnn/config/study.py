"""A study: one YAML file with a section per stage."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from detcnn.config.audit import AuditConfig
from detcnn.config.evaluate import EvaluateConfig
from detcnn.config.preprocess import PreprocessConfig
from detcnn.config.section import Incidental, Section
from detcnn.config.train import TrainConfig


class Study(Section):
    """One study. Paths are relative to the study file."""

    name: str = Field(min_length=1, description="What the study is called in its report.")
    description: str = Field(default="", description="A sentence or two for the report.")
    output: Annotated[Path, Incidental()] = Field(
        default=Path("work"), description="Folder of the artifacts: images, model, scores, metrics."
    )
    preprocess: PreprocessConfig
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    audit: AuditConfig = AuditConfig()
