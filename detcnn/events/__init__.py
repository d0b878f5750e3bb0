"""Events and their images in memory: tables with offsets, pixel grids, selections."""
