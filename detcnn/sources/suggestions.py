"""How a study would say what a file does not: lines of YAML to begin with."""

from collections.abc import Sequence

from detcnn.sources.contents import Content

_MOST_CLASSES = 32
_MOST_FEATURES = 64


def suggested_source(name: str, contents: Sequence[Content]) -> tuple[str, ...]:
    """Return the lines of a study that say which column plays which part.

    They are a guess by shapes and values, to be corrected by whoever knows the file: what looks
    like images with whole numbers from 0 up is taken for classes of pixels, and of the others what
    is largest for the images. None where nothing looks like images or hits.

    Parameters
    ----------
    name : str
        Of the file.
    contents : sequence of Content
        Its columns.
    """
    numbers = [one for one in contents if one.dataset.is_numeric and not one.dataset.is_ragged]
    pictures = [one for one in numbers if len(_shape(one)) >= 3 and min(_shape(one)[-2:]) > 2]
    rows = [one for one in numbers if len(_shape(one)) == 2]
    if pictures:
        lines = _of_pictures(pictures, contents)
    elif _are_waveforms(rows):
        lines = _of_waveforms(rows)
    elif len(rows) > 1:
        lines = _of_hits(rows)
    else:
        return ()
    return (
        "preprocess:",
        "  sources:",
        f"    - path: {_quoted(name)}",
        *(f"      {line}" for line in lines),
    )


def _of_pictures(pictures: Sequence[Content], contents: Sequence[Content]) -> list[str]:
    of_classes = [one for one in pictures if _is_of_classes(one)]
    others = [one for one in pictures if not _is_of_classes(one)]
    image = max(others or pictures, key=lambda one: len(_shape(one)))
    n_events, size = _shape(image)[0], _shape(image)[-2:]
    words = [
        one
        for one in contents
        if one.dataset.is_text and _shape(one) == (n_events,) and len(one.words) > 1
    ]
    if words:
        lines = [f"images: {{{_quoted(image.dataset.name)}: ''}}"]
    else:
        lines = [f"images: {{{_quoted(image.dataset.name)}: events}}  # all of one class"]
    beside = [
        one
        for one in pictures
        if one is not image and _shape(one)[0] == n_events and _shape(one)[-2:] == size
    ]
    if beside:
        lines.append("pixels:  # what is true of each pixel")
    for one in beside:
        column = _quoted(one.dataset.name)
        classes = ""
        if one in of_classes:
            assert one.high is not None
            names = ", ".join(f"class_{i}" for i in range(max(2, int(one.high) + 1)))
            classes = f", classes: [{names}]"
        # What a segmentation learns if it is told nothing else.
        is_the_mask = one in of_classes and sum(other in of_classes for other in beside) == 1
        key = "mask" if is_the_mask else _plain(one.dataset.base_name)
        lines.append(f"  {key}: {{column: {column}{classes}}}")
    points = [
        one
        for one in contents
        if one.dataset.is_numeric and len(_shape(one)) == 3
        if _shape(one)[0] == n_events and _shape(one)[2] == 2
    ]
    if points:
        told = ", ".join(
            f"{_plain(one.dataset.base_name)}: {_quoted(one.dataset.name)}" for one in points
        )
        lines.append(f"points: {{{told}}}  # row and column of each, NaN where there is none")
    if words:
        told = _quoted(words[0].dataset.name)
        lines.append(f"columns: {{label: {told}}}  # the class of each image")
    return lines


def _of_waveforms(rows: Sequence[Content]) -> list[str]:
    return [
        "class: events",
        "axes: [pixel]  # or time, of waveforms",
        "channels:  # those that are truth go under pixels: {NAME: {column: ..., above: 0,",
        "           # classes: [background, signal]}}",
        *(
            f"  {_quoted(one.dataset.base_name)}: {_quoted(one.dataset.name)}"
            for one in rows
            if _shape(one) == _shape(rows[0])
        ),
    ]


def _of_hits(rows: Sequence[Content]) -> list[str]:
    hits = max(rows, key=lambda one: _shape(one)[0])
    events = next(one for one in rows if one is not hits)

    def feature(one: Content, index: int) -> str:
        return f"'{one.dataset.name}[..., {index}]'"

    return [
        "layout: hits",
        "class: events",
        "hits:  # of each hit what makes its place and its weight, under names of yours",
        *(f"  hit_{i}: {feature(hits, i)}" for i in range(1, _shape(hits)[1])),
        f"hit_event: {feature(hits, 0)}  # the number of its event",
        f"event_number: {feature(events, 0)}",
        "columns:",
        *(f"  event_{i}: {feature(events, i)}" for i in range(1, _shape(events)[1])),
    ]


def _is_of_classes(one: Content) -> bool:
    return (
        one.is_whole
        and one.dataset.dtype.kind in "iub"
        and one.low is not None
        and one.high is not None
        and one.low >= 0
        and one.high < _MOST_CLASSES
    )


def _are_waveforms(rows: Sequence[Content]) -> bool:
    """Tell whether there are rows of one length, too long to be features."""
    shapes = [_shape(one) for one in rows]
    return any(shape[1] > _MOST_FEATURES for shape in shapes) and len(set(shapes)) == 1


def _shape(one: Content) -> tuple[int, ...]:
    return one.dataset.shape


def _quoted(name: str) -> str:
    """Return a name as YAML reads it, in quotes where it needs them."""
    is_plain = name.replace("_", "").replace("/", "").replace(".", "").replace("-", "").isalnum()
    return name if is_plain and name[0].isalpha() else "'" + name.replace("'", "''") + "'"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).lower() or "truth"
