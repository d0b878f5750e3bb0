"""Events in memory: flat columns with offsets, pixel grids, selections."""
