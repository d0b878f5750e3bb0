"""One frozen model per stage, read from one YAML file per study."""
