"""The network of Komiske, Metodiev and Schwartz, "Deep learning in color" (arXiv:1612.01551)."""

from detcnn.models.network import Network
from detcnn.models.options import require_planes
from detcnn.models.plain_cnn import Block, plain_cnn


def komiske2017(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    norm: str = "none",
    activation: str = "relu",
    periodic: bool = False,
) -> Network:
    """Build the network that told quark from gluon jets in colour (arXiv:1612.01551).

    Three blocks of 64 filters of 8, 4 and 4 pixels, without padding, each with pooling by 2 and
    spatial dropout of 25, 50 and 50 %; a dense layer of 128 with 50 % dropout; rectifiers, He
    initialisation. For three channels, 33×33 pixels and two classes it has 152,130 parameters.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, at least 33×33.
    n_outputs : int
        Number of classes.
    norm, activation, periodic
        See `Layers`; none, rectifiers and not are the published ones.

    Returns
    -------
    Network
        Its features have the shape (batch, 128).

    Raises
    ------
    ConfigError
        If the image is too small.
    """
    require_planes("komiske2017", shape)
    return plain_cnn(
        shape,
        n_outputs,
        blocks=(
            Block(filters=64, kernel=8, dropout=0.25),
            Block(filters=64, kernel=4, dropout=0.5),
            Block(filters=64, kernel=4, dropout=0.5),
        ),
        dense=(128,),
        dense_dropout=0.5,
        norm=norm,
        activation=activation,
        periodic=periodic,
    )
