"""Scenes with objects, and what is to be found in them, for tests of the types of output."""

import sys
from pathlib import Path

import numpy as np

from chip_files import write_tif
from terratorch.contracts.input_spec import ImageSpec, InputSpec

OWN = Path(__file__).parent / "own"
sys.path.insert(0, str(OWN))

SPEC = InputSpec.single(ImageSpec.create(means=[100.0, 100.0], stds=[100.0, 100.0]))
DARK, LIGHT, LIGHTER = 100, 200, 300
# Row, column, height, width and class of each object of the scene.
OBJECTS = [
    (3, 4, 6, 8, 0),
    (20, 28, 10, 10, 1),  # on the border of tiles
    (30, 60, 12, 12, 0),  # on a corner of tiles
    (50, 10, 9, 9, 1),
    (61, 30, 50, 6, 0),  # longer than the overlap of tiles: no tile sees it whole
    (88, 80, 12, 15, 1),  # at the corner of the scene
]
SIZE = (100, 95)


def objects_scene(path, objects=OBJECTS, size=SIZE):
    pixels = np.full((2, *size), DARK, np.int16)
    for row, column, height, width, label in objects:
        pixels[0, row : row + height, column : column + width] = (LIGHT, LIGHTER)[label]
    return write_tif(path, pixels, -1)


def true_boxes(objects=OBJECTS, size=SIZE):
    """Left, top, right, bottom and class of each object, in the order of rows."""
    found = {
        (x, y, min(x + width, size[1]), min(y + height, size[0]), label)
        for y, x, height, width, label in objects
    }
    return sorted(found)


def boxes_in(boxes):
    """The same of boxes that were predicted."""
    rows = zip(boxes.boxes[0].round().int().tolist(), boxes.labels[0].tolist(), strict=True)
    return sorted((*box, label) for box, label in rows)
