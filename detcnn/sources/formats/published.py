"""Published sets of jets whose files do not say what their columns are."""

from collections.abc import Mapping
from dataclasses import replace

from detcnn.sources.container import Dataset

_JETNET_PARTICLES = {
    4: ("eta_rel", "phi_rel", "pt_rel", "mask"),
    3: ("eta_rel", "phi_rel", "pt_rel"),
}
_JETNET_JETS = {
    4: ("pt", "eta", "mass", "num_particles"),
    5: ("type", "pt", "eta", "mass", "num_particles"),
}


def with_published_names(datasets: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Return the datasets of a file, the columns of JetNet with their names.

    JetNet (Kansal et al., doi:10.5281/zenodo.6975118) has ``particle_features`` (jets, particles,
    4) and ``jet_features`` (jets, 4) side by side, in this order.

    Parameters
    ----------
    datasets : mapping
        Columns by name.
    """
    found = dict(datasets)
    for name, particles in datasets.items():
        holder, slash, base = name.rpartition("/")
        jets = datasets.get(f"{holder}{slash}jet_features")
        if base != "particle_features" or jets is None:
            continue
        for dataset, names, n_axes in (
            (particles, _JETNET_PARTICLES, 3),
            (jets, _JETNET_JETS, 2),
        ):
            if len(dataset.shape) != n_axes or dataset.features:
                continue
            n = dataset.shape[-1]
            problem = None
            if n not in names:
                problem = (
                    f"JetNet has {' or '.join(map(str, sorted(names)))} features here, and this "
                    f"has {n}: name those that are meant in the study, such as constituents."
                    "pt_rel: 'particle_features[..., 2]'"
                )
            found[dataset.name] = replace(dataset, features=names.get(n, ()), problem=problem)
    return found
