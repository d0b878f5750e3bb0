import importlib.util
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("publisher.py")


@pytest.fixture(scope="session")
def program():
    """The publisher as a program of its own."""
    return PROGRAM


@pytest.fixture(scope="session")
def publish():
    """Publish a small artifact: ``publish(target, text)``."""
    spec = importlib.util.spec_from_file_location("publisher", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.publish
