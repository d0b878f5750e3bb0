import pytest
from typer.testing import CliRunner

from detcnn.cli.main import app


@pytest.fixture(scope="session")
def detcnn():
    """Run a command line in this process; the result has exit_code, stdout and stderr."""

    def run(*arguments, **env):
        return CliRunner().invoke(app, [str(a) for a in arguments], env=env)

    return run
