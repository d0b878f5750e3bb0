"""Events to images: align, project, normalise, augment."""
