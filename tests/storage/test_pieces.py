import resource

import numpy as np
import pytest

from detcnn.errors import DataError
from detcnn.events.images import DenseImages, as_dense, as_sparse
from detcnn.storage.pieces import Block, Piece, write_piece


@pytest.fixture
def block():
    values = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4)
    return Block(
        images=as_sparse(DenseImages(values)),
        label=np.array([1, 0]),
        weight=np.array([0.5, 2], dtype=np.float32),
        columns={"pt": np.array([9, 8], dtype=np.float32), "event_id": np.array([3, 4])},
    )


@pytest.fixture
def path(tmp_path, block):
    path = tmp_path / "000000.npz"
    dense = Block(as_dense(block.images), block.label, block.weight, block.columns)
    write_piece(path, {"train": block, "test": dense}, {"n_read": np.array([7.0])})
    return path


def test_round_trip(path, block):
    piece = Piece(path)
    assert {name: value.tolist() for name, value in piece.totals().items()} == {"n_read": [7]}
    for split in ("train", "test"):
        found = piece.block(split)
        assert isinstance(found.images, type(block.images)) == (split == "train")
        np.testing.assert_array_equal(as_dense(found.images).values, as_dense(block.images).values)
        np.testing.assert_array_equal(found.label, block.label)
        np.testing.assert_array_equal(found.weight, block.weight)
        assert found.columns.keys() == block.columns.keys()
        np.testing.assert_array_equal(found.columns["event_id"], [3, 4])
    assert found.images.shape == (1, 3, 4)
    assert piece.column("train", "label").tolist() == [1, 0]
    assert piece.column("test", "columns/pt").tolist() == [9, 8]


def test_an_empty_split(tmp_path, block):
    empty = Block(block.images.slice(0, 0), block.label[:0], block.weight[:0], {})
    write_piece(tmp_path / "p.npz", {"train": empty}, {})
    piece = Piece(tmp_path / "p.npz")
    assert piece.totals() == {}
    assert piece.block("train").images.n_images == 0


def test_many_pieces_hold_no_files_open(path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        pieces = [Piece(path) for _ in range(200)]
        assert sum(int(piece.totals()["n_read"][0]) for piece in pieces) == 1400
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_flipped_bit_is_found_or_harmless(path, block):
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    n_found = 0
    for position in rng.integers(0, len(content), 400):
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            piece = Piece(path)
            totals, found = piece.totals(), piece.block("train")
        except DataError:
            n_found += 1
        else:
            assert totals["n_read"].tolist() == [7]
            np.testing.assert_array_equal(found.images.value, block.images.value)
            np.testing.assert_array_equal(found.columns["pt"], block.columns["pt"])
    assert n_found > 200


@pytest.mark.parametrize("size", [0, 1, 100, -1, -30])
def test_a_piece_cut_short(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"000000\.npz: damaged piece .* delete it and run again"):
        Piece(path).totals()


def test_a_missing_piece(tmp_path):
    with pytest.raises(DataError, match="damaged piece"):
        Piece(tmp_path / "p.npz").totals()


def test_an_older_piece_stays_until_the_new_one_is_whole(path, block, monkeypatch):
    def disk_full(_):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_piece(path, {"train": block}, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["000000.npz"]
