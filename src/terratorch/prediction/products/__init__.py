"""What is made of finished maps: pictures, polygons, catalogue items, mosaics."""
