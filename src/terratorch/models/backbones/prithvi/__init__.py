"""Prithvi-EO, the geospatial foundation models of IBM and NASA.

A vision transformer over patches of time, height and width, trained as a masked autoencoder on
Harmonized Landsat Sentinel-2: version 1.0 (Jakubik et al. 2023, arXiv:2310.18660) and 2.0, with
time and location as further inputs (Szwarcman et al. 2024, arXiv:2412.02732).

Read in this order: `config` (sizes), `coordinates` (time and location), `encoder`, `mae` (decoder
and loss of the masked autoencoder), `weights` (layouts of published files), `variants` (the table
of published models), `names` (the builders of the registered names).
"""
