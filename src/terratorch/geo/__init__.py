"""Open rasters, read windows of them, write GeoTIFFs; the only place that touches GDAL."""
