"""The values that pass between rooms: inputs, samples, features, outputs, predictions."""
