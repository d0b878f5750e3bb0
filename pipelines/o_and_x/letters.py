"""Write images of the letters O and X, 6 by 6 pixels: clean ones, or many that are moved and noisy.

python letters.py letters.npz
python letters.py noisy.npz --images 2000 --seed 6
"""

import argparse

import numpy as np

LETTERS = {
    "O": "001100 010010 100001 100001 010010 001100",
    "X": "100001 010010 001100 001100 010010 100001",
}


def clean(text: str) -> np.ndarray:
    """Return the picture that rows of digits make."""
    return np.array([[float(pixel) for pixel in row] for row in text.split()], dtype=np.float32)


def noisy(letter: np.ndarray, rng: np.random.Generator, *, shift: int, noise: float) -> np.ndarray:
    """Return a letter moved by up to `shift` pixels either way, with Gaussian noise in each pixel.

    What leaves the picture is lost, what enters is 0.
    """
    framed = np.pad(letter, shift)
    down, right = rng.integers(0, 2 * shift, size=2, endpoint=True)
    moved = framed[down : down + len(letter), right : right + len(letter)]
    return moved + rng.normal(scale=noise, size=letter.shape).astype(np.float32)


def main() -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("--images", type=int, default=0, help="of each letter; 0 for a clean one")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--shift", type=int, default=1, help="pixels, at most")
    parser.add_argument("--noise", type=float, default=0.4, help="standard deviation")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    images = {}
    for name, text in LETTERS.items():
        letter = clean(text)
        made = [
            noisy(letter, rng, shift=options.shift, noise=options.noise)
            for _ in range(options.images)
        ]
        # One channel.
        images[name] = np.stack(made or [letter])[:, np.newaxis]
    np.savez_compressed(options.output, **images)


if __name__ == "__main__":
    main()
