"""Every simulation of detector images: a new one is one more entry here."""

from collections.abc import Mapping

from detcnn.simulation.calorimeter_showers import CALORIMETER
from detcnn.simulation.ccd import CCD
from detcnn.simulation.image_sample import ImageDefinition
from detcnn.simulation.liquid_argon import LIQUID_ARGON_IMAGES
from detcnn.simulation.neutrino import NEUTRINO, NEUTRINO_3_VIEWS

IMAGE_DEFINITIONS: Mapping[str, ImageDefinition] = {
    definition.name: definition
    for definition in (NEUTRINO, NEUTRINO_3_VIEWS, LIQUID_ARGON_IMAGES, CCD, CALORIMETER)
}
"""Every definition by its name."""
