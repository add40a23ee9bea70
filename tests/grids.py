"""Grids that lie nowhere on the earth, as WKT."""

LOCAL = 'LOCAL_CS["site",UNIT["metre",1]]'
MARS = (
    'PROJCS["Mars",GEOGCS["Mars 2000",DATUM["Mars 2000",SPHEROID["Mars 2000",3396190,169.894]],'
    'PRIMEM["Reference meridian",0],UNIT["degree",0.0174532925199433]],'
    'PROJECTION["Equirectangular"],UNIT["metre",1]]'
)
