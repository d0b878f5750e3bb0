"""The top tagger of Macaluso and Shih, "Pulling out all the tops" (arXiv:1803.00107)."""

from detcnn.models.network import Network
from detcnn.models.options import require_planes
from detcnn.models.plain_cnn import Block, plain_cnn


def macaluso2018(
    shape: tuple[int, ...],
    n_outputs: int,
    *,
    norm: str = "none",
    activation: str = "relu",
    periodic: bool = False,
) -> Network:
    """Build the network that told top from QCD jets (arXiv:1803.00107).

    128C4-64C4-MP2-64C4-64C4-MP2-64N-256N-256N: two pairs of convolutions of 4 by 4 pixels, maximum
    pooling by 2 after each pair, three dense layers; rectifiers, He initialisation, no dropout. For
    four channels, 37×37 pixels and two classes it has 419,202 parameters. That convolutions touch
    real pixels only (no padding) is read in the authors' public prototype; the layers are quoted
    from memory, as is the training with AdaDelta at a learning rate of 0.3 in batches of 128.

    Parameters
    ----------
    shape : tuple of int
        (channels, rows, columns) of an image, at least 22×22.
    n_outputs : int
        Number of classes.
    norm, activation, periodic
        See `Layers`; none, rectifiers and not are the published ones.

    Returns
    -------
    Network
        Its features have the shape (batch, 256).

    Raises
    ------
    ConfigError
        If the image is too small.
    """
    require_planes("macaluso2018", shape)
    return plain_cnn(
        shape,
        n_outputs,
        blocks=(
            Block(filters=128, kernel=4, pool=1),
            Block(filters=64, kernel=4, pool=2),
            Block(filters=64, kernel=4, pool=1),
            Block(filters=64, kernel=4, pool=2),
        ),
        dense=(64, 256, 256),
        dense_dropout=0.0,
        norm=norm,
        activation=activation,
        periodic=periodic,
    )
