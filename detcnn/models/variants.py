"""Networks that differ in numbers only: one builder, several names."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from detcnn.models.network import Network


def variant(
    build: Callable[..., Network], name: str, description: str, **fixed: Any
) -> Callable[..., Network]:
    """Return a builder with some options fixed, which are then no options any more.

    Parameters
    ----------
    build : callable
        Takes the shape of an image, the number of outputs, `name` and options.
    name : str
        What the variant is called in the catalogue.
    description : str
        First paragraph of the documentation, in place of that of `build`.
    fixed : object
        Values of options.

    Returns
    -------
    callable
        Takes the shape of an image, the number of outputs, and what options remain.
    """
    signature = inspect.signature(build)
    fixed = {"name": name, **fixed}

    def built(*arguments: Any, **options: Any) -> Network:
        signature_of_variant.bind(*arguments, **options)
        return partial(build, **fixed)(*arguments, **options)

    remaining = [p for p in signature.parameters.values() if p.name not in fixed]
    signature_of_variant = signature.replace(parameters=remaining)
    _, _, rest = (inspect.getdoc(build) or "").partition("\n\n")
    built.__name__ = built.__qualname__ = name
    built.__doc__ = f"{description}\n\n{rest}"
    built.__signature__ = signature_of_variant  # type: ignore[attr-defined]
    return built
