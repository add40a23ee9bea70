"""What maps say of themselves in their tags, besides what they show."""

RUN_TAG = "TERRATORCH_RUN"  # names the weights and settings that they were made with
SOURCE_TAG = "TERRATORCH_SOURCE"  # which version of the image
LAYERS_TAG = "TERRATORCH_LAYERS"  # which layers there are, with commas between
MAP_TAG = "TERRATORCH_MAP"  # the name of the file of the main layer
MOSAIC_TAG = "TERRATORCH_MOSAIC"  # of a mosaic: how many maps it has
CLASS_NAMES_TAG = "CLASS_NAMES"  # the names of the classes, as a JSON list
CONTENT_TAG = "TERRATORCH_CONTENT"  # what the pixels mean: classes, probabilities, values, ...
PATCH_TAG = "TERRATORCH_PATCH"  # of embeddings: pixels of the image along a side of a patch
