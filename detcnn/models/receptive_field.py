"""The receptive field: which input pixels a place of a layer sees, exactly, along one axis.

Away from the border, what a place ``o`` of any stack of convolutions, poolings, transposed
convolutions and interpolations sees is the interval ``low(o)`` to ``high(o)`` of input pixels. Both
ends go on by a fixed number of pixels after a fixed number of places, so that a short table holds
them for all places, and no rounding is left to the layers of an up-sampling path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd, lcm


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the places of a layer see of one axis of the input.

    Place ``o`` sees the pixels ``low[o % period] + o // period * advance`` to the same of `high`,
    both included. Pixels beyond the border are counted like others.

    Parameters
    ----------
    advance : int
        Pixels that both ends go on by after as many places as the tables have entries; above 0.
    low, high : tuple of int
        First and last pixel that the first places see.
    """

    advance: int = 1
    low: tuple[int, ...] = (0,)
    high: tuple[int, ...] = (0,)

    @property
    def size(self) -> int:
        """Pixels from the first to the last one seen, of the place that sees most."""
        return max(high - low for low, high in zip(self.low, self.high, strict=True)) + 1

    @property
    def jump(self) -> Fraction:
        """Mean distance of neighbouring places in input pixels: the stride of all layers so far."""
        return Fraction(self.advance, len(self.low))

    def windowed(
        self, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> "ReceptiveField":
        """Return what a convolution or a pooling on top of this layer sees."""
        reach = dilation * (kernel - 1)
        return self._seen_through(
            lambda o: o * stride - padding,
            lambda o: o * stride - padding + reach,
            places_per_period=1,
            moved_by=stride,
        )

    def spread(
        self, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> "ReceptiveField":
        """Return what a transposed convolution on top of this layer sees.

        With both stride and dilation, some of the pixels at the ends may fall between its weights.
        """
        reach = dilation * (kernel - 1)
        return self._seen_through(
            lambda o: -((reach - o - padding) // stride),
            lambda o: (o + padding) // stride,
            places_per_period=stride,
            moved_by=1,
        )

    def resized(
        self, n_inputs: int, n_outputs: int, *, is_linear: bool = False, align_corners: bool = False
    ) -> "ReceptiveField":
        """Return what an interpolation to another number of places sees.

        Parameters
        ----------
        n_inputs, n_outputs : int
            Places before and after.
        is_linear : bool
            Between the two nearest places, and not the nearest one alone.
        align_corners : bool
            With linear interpolation: the outermost places stay where they are.
        """
        if align_corners and n_outputs > 1 and n_inputs > 1:
            ratio, offset = Fraction(n_inputs - 1, n_outputs - 1), Fraction(0)
        else:
            ratio = Fraction(n_inputs, n_outputs)
            offset = (ratio - 1) / 2 if is_linear else Fraction(0)
        return self._seen_through(
            lambda o: floor(o * ratio + offset),
            lambda o: ceil(o * ratio + offset) if is_linear else floor(o * ratio + offset),
            places_per_period=ratio.denominator,
            moved_by=ratio.numerator,
        )

    def divided(self, n_inputs: int, n_outputs: int) -> "ReceptiveField":
        """Return what an adaptive pooling to `n_outputs` places sees."""
        ratio = Fraction(n_inputs, n_outputs)
        return self._seen_through(
            lambda o: floor(o * ratio),
            lambda o: ceil((o + 1) * ratio) - 1,
            places_per_period=ratio.denominator,
            moved_by=ratio.numerator,
        )

    def joined(self, other: "ReceptiveField") -> "ReceptiveField | None":
        """Return what a sum, product or concatenation sees; None if the layers do not match.

        They match if their places lie equally far apart.
        """
        if self.jump != other.jump:
            return None
        n = lcm(len(self.low), len(other.low))
        return ReceptiveField(
            advance=self.advance * n // len(self.low),
            low=tuple(
                min(_at(self.low, o, self.advance), _at(other.low, o, other.advance))
                for o in range(n)
            ),
            high=tuple(
                max(_at(self.high, o, self.advance), _at(other.high, o, other.advance))
                for o in range(n)
            ),
        )

    def _seen_through(
        self,
        first: Callable[[int], int],
        last: Callable[[int], int],
        *,
        places_per_period: int,
        moved_by: int,
    ) -> "ReceptiveField":
        """Return the field of a layer whose place o takes the places first(o) to last(o) of this.

        Both go on by `moved_by` after `places_per_period` places.
        """
        n = len(self.low)
        repeats = n // gcd(n, moved_by)
        places = range(repeats * places_per_period)
        return ReceptiveField(
            advance=self.advance * (repeats * moved_by) // n,
            low=tuple(_at(self.low, first(o), self.advance) for o in places),
            high=tuple(_at(self.high, last(o), self.advance) for o in places),
        )


def _at(ends: tuple[int, ...], place: int, advance: int) -> int:
    turns, rest = divmod(place, len(ends))
    return ends[rest] + turns * advance
