import importlib.util
from pathlib import Path

import pytest


def _module(path):
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference():
    """The slow, plain version of a recipe."""
    here = Path(__file__).parent
    recipe = _module(here / "reference.py")
    recipe.kernels = _module(here.parent / "kernels" / "reference.py")
    return recipe
