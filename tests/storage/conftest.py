import numpy as np
import pytest

from detcnn.events.grid import Axis, Grid
from detcnn.events.images import DenseImages, as_sparse
from detcnn.storage import writer
from detcnn.storage.schema import SPLITS, ChannelInfo, Schema
from detcnn.storage.writer import SplitWriter, create_store, write_statistics


@pytest.fixture
def small_chunks(monkeypatch):
    """Make a dozen events fill several shards."""
    monkeypatch.setattr(writer, "_EVENTS_PER_CHUNK", 2)
    monkeypatch.setattr(writer, "_PIXELS_PER_CHUNK", 8)
    monkeypatch.setattr(writer, "_CHUNKS_PER_SHARD", 2)


def build_schema(encoding, shape):
    """Return a schema for images of a shape."""
    return Schema(
        encoding=encoding,
        grid=Grid(Axis("eta", shape[1], -0.4, 0.4), Axis("phi", shape[2], -0.4, 0.4, unit="rad")),
        channels=tuple(ChannelInfo(f"pt_{i}", "GeV", f"sum {i}") for i in range(shape[0])),
        classes=("gluon", "quark"),
    )


def write_split(group, name, schema, values, *, block=5):
    """Write a split of images in blocks, sparse and dense by turns, numbers telling the rows."""
    n_events = len(values)
    row = np.arange(n_events)
    split = SplitWriter(
        group,
        name,
        schema,
        n_events=n_events,
        n_filled=int(np.count_nonzero(values)),
        columns={"pt": np.dtype(np.float32), "event_id": np.dtype(np.int64)},
    )
    for i, start in enumerate(range(0, n_events, block)):
        part = slice(start, start + block)
        images = DenseImages(values[part])
        split.append(
            as_sparse(images) if i % 2 else images,
            label=row[part] % 2,
            weight=row[part] + 0.5,
            training_weight=row[part] + 0.25,
            columns={"pt": row[part].astype(np.float32), "event_id": row[part] << 40, "x": row},
        )
    split.close()


@pytest.fixture
def write_store():
    """Write a store: ``write_store(folder, encoding, {split: array of images})``."""

    def write_store(folder, encoding, images):
        shape = next(iter(images.values())).shape[1:]
        schema = build_schema(encoding, shape)
        group = create_store(folder, schema)
        write_statistics(group, mean=np.full(shape, 0.5), std=np.ones(shape))
        for name in SPLITS:
            write_split(group, name, schema, images.get(name, np.zeros((0, *shape), np.float32)))
        return schema

    return write_store
