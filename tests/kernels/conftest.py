import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference():
    """The slow, plain versions of the kernels."""
    path = Path(__file__).with_name("reference.py")
    spec = importlib.util.spec_from_file_location("kernels_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
