"""The input files of a study: opened, and with the classes that it makes of them."""

from dataclasses import replace
from pathlib import Path

from detcnn.config.preprocess import PreprocessConfig, SourceConfig
from detcnn.errors import ConfigError
from detcnn.events.labels import Classes, resolve_classes
from detcnn.sources.base import Clustering, Layout, PixelTruth, Source
from detcnn.sources.chain import Chain, expand_paths
from detcnn.sources.chain import open_sources as open_chain
from detcnn.sources.opening import find_misfits


def input_files(config: PreprocessConfig, *, base: Path) -> tuple[tuple[Path, ...], ...]:
    """Return the input files of each source of a study.

    Parameters
    ----------
    config : PreprocessConfig
        The study's section.
    base : Path
        Folder that relative paths start from.

    Raises
    ------
    ConfigError
        As `detcnn.sources.chain.expand_paths`.
    """
    return tuple(expand_paths(entry.path, base=base) for entry in config.sources)


def open_sources(
    config: PreprocessConfig, *, base: Path, may_lack_truth: bool = False
) -> tuple[Source, ...]:
    """Open the input files of a study.

    Parameters
    ----------
    config : PreprocessConfig
        The study's section.
    base : Path
        Folder that relative paths start from.
    may_lack_truth : bool
        Whether the files may lack what the study says of their events.

    Raises
    ------
    DataError, ConfigError
        As `detcnn.sources.chain.open_sources`.
    """
    files = input_files(config, base=base)
    return tuple(
        open_chain(paths, replace(layout_of(entry), may_lack_truth=may_lack_truth))
        for paths, entry in zip(files, config.sources, strict=True)
    )


def layout_of(source: SourceConfig) -> Layout:
    """Return what a study says of the layout of an input file."""
    return Layout(
        kind=source.layout,
        constituents=source.constituents,
        offsets=source.offsets,
        hits=source.hits,
        hit_event=source.hit_event,
        event_number=source.event_number,
        columns=source.columns,
        event_id=source.event_id,
        images=source.images,
        channels=source.channels,
        channel_units=source.channel_units,
        axes=source.axes,
        channels_last=source.channels_last,
        pixels={
            name: PixelTruth(truth.column, truth.classes, truth.above, truth.of)
            for name, truth in source.pixels.items()
        },
        points=source.points,
        units=source.units,
        class_name=source.class_name,
        tree=source.tree,
        collection=source.collection,
        radius=source.radius,
        one_hot=source.one_hot,
        allow_links=source.allow_links,
        clustering=(
            None if source.clustering is None else Clustering(**source.clustering.identity())
        ),
    )


def classless(source: Source) -> str | None:
    """Return what to say of a source whose files do not tell the classes of its events, or None."""
    if source.label_names or all(sample.class_name is not None for sample in source.samples):
        return None
    first = source.parts[0] if isinstance(source, Chain) else source
    n_events = sum(sample.n_events for sample in first.samples)
    near = find_misfits(first.path, first.layout, n_events=n_events)
    return (
        f"{source.path}: nothing tells the class of its events{near}: name a label dataset as "
        "columns.label, or give the source a class"
    )


def classes_of(config: PreprocessConfig, sources: tuple[Source, ...]) -> Classes:
    """Return the classes of a study and the labels of its input that stand for them.

    Raises
    ------
    ConfigError
        If nothing tells a file's classes, two files name one label differently, or a class of the
        study is not in the input.
    """
    label_names: dict[int, str] = {}
    for source in sources:
        nothing_tells = classless(source)
        if nothing_tells is not None:
            raise ConfigError(nothing_tells)
        for value, name in source.label_names.items():
            # With label values in the study it does not matter what a file calls them.
            is_named = not isinstance(config.classes, dict)
            if label_names.setdefault(value, name) != name and is_named:
                raise ConfigError(
                    f"{source.path}: label {value} is called {name!r} here and "
                    f"{label_names[value]!r} in another source: give preprocess.classes as name to "
                    "label value"
                )
    return resolve_classes(
        config.classes,
        label_names=label_names,
        sample_classes=[
            sample.class_name for s in sources for sample in s.samples if sample.class_name
        ],
    )


def known_classes(classes: Classes, sources: tuple[Source, ...]) -> Classes:
    """Return the classes of a model, and which labels of new input stand for them.

    Nothing need be known of the new events: a class may be absent, or all of them.

    Parameters
    ----------
    classes : Classes
        Those of the model.
    sources : tuple of Source
        The input.

    Raises
    ------
    ConfigError
        If the input has labels, of which none is a class of the model.
    """
    label_names = {value: name for source in sources for value, name in source.label_names.items()}
    # Labels without names mean what they meant when the model was trained.
    is_nameless = all(name == str(value) for value, name in label_names.items())
    values = classes.values
    if is_nameless and not any(values):
        # The model's classes were told by the study alone: these numbers are of something else.
        return classes
    if not is_nameless:
        values = tuple(
            tuple(value for value, called in label_names.items() if called == name)
            for name in classes.names
        )
    if label_names and not any(value in label_names for of_class in values for value in of_class):
        raise ConfigError(
            f"{sources[0].path}: its classes are {', '.join(label_names.values())}, the model "
            f"knows {', '.join(classes.names)}: name the labels alike, or read it without"
        )
    return Classes(names=classes.names, values=values)
