"""Predict files: the entry for Python, for services and for the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from terratorch.datasets.facts import read_given_facts
from terratorch.datasets.scenes.prediction_images import PredictionImages
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.errors import ConfigurationError
from terratorch.prediction.ensembles import Member, build_ensemble
from terratorch.prediction.files import expand_scenes
from terratorch.prediction.map_products import (
    build_products,
    check_outputs,
    map_options,
)
from terratorch.prediction.options import (
    AREA_OPTIONS,
    TILE_OPTIONS,
    PredictionOptions,
    missing_folder,
)
from terratorch.prediction.outputs.folder import PredictionFolder
from terratorch.prediction.predictor import CPU, Predictor
from terratorch.prediction.report import PredictionReport
from terratorch.prediction.scene_choices import SceneChoices, check_turned_tiles
from terratorch.prediction.scenes.scene_stream import RunGroup, run_group
from terratorch.prediction.scenes.scenes import predict_scenes
from terratorch.tasks.checkpoint import read_checkpoint
from terratorch.tiles.tiling import default_tiles

if TYPE_CHECKING:
    from terratorch.prediction.spread.ray_workers import RayWorkers


def predict(
    predictor: Predictor,
    paths: Sequence[str | Path | ModalityFiles],
    options: PredictionOptions,
    *,
    num_workers: int | None = None,
    batch_size: int = 1,
    progress: bool = False,
) -> PredictionReport:
    """Predict files, and write a georeferenced map for each, or a table for images as a whole.

    Scenes are read, predicted and written at the same time, so memory depends on the height of a
    tile and not on the scene. Maps that an earlier call with the same model and options completed
    are skipped; one that was interrupted is continued.

    Args:
        predictor: The model.
        paths: Files, folders and patterns; `NAME=PATH` for each of several modalities.
        options: What is written, and how; `predict_output_dir` is required.
        num_workers: Processes that read images to predict whole.
        batch_size: Whole images per forward pass without `options.batch_size`.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The files that were written, skipped or failed.

    Raises:
        TerraTorchError: If an option or a file cannot be used.
    """
    options.check()
    if options.predict_output_dir is None:
        raise missing_folder()
    found = expand_scenes(paths, options.scene_folders)
    predictor = prepare(predictor, options)
    images = PredictionImages(found, predictor.input_spec)
    products = build_products(options, predictor.provenance())
    folder = PredictionFolder(
        options.predict_output_dir, options.output_file_prefix, map_options(options), products
    )
    start = time.perf_counter()
    if predictor.predicts_images_whole:
        check_whole_images(options)
        for error in images.failures.values():
            raise error
        size = options.batch_size if isinstance(options.batch_size, int) else batch_size
        with folder:
            batches = predictor.read(images.paths, size, num_workers or 0)
            files = [folder.write(predictor.predict_batch(batch)) for batch in batches]
        written = dict.fromkeys(path for paths in files for path in paths)
        report = PredictionReport(written=list(written))
    else:
        check_no_workers(num_workers)
        report = _predict_scenes(images, predictor, folder, options, batch_size, progress)
    report.seconds = time.perf_counter() - start
    report.products, report.product_failures = products.written, products.failures
    return report


def prepare(predictor: Predictor, options: PredictionOptions) -> Predictor:
    """Return a predictor with the outputs, views and further checkpoints that the options ask for.

    Raises:
        TerraTorchError: If the model cannot do what they ask for.
    """
    if options.outputs is not None:
        predictor.objective.choose_outputs(options.outputs)
    facts = read_given_facts(options.date, options.location)
    if facts.names:
        predictor = replace(predictor, given_facts=facts)
    check_outputs(options, predictor.output_type, predictor.outputs)
    if predictor.ensemble is not None:
        return predictor
    further = tuple(map(Path, options.further_ckpt_paths or ()))
    first = read_checkpoint(predictor.checkpoints[0]) if further else None
    member = Member(
        predictor.task,
        predictor.objective,
        predictor.tiles,
        predictor.chip,
    )
    ensemble = build_ensemble(options, member, first)
    checkpoints = (*predictor.checkpoints, *further)
    return replace(predictor, ensemble=ensemble, checkpoints=checkpoints)


def _predict_scenes(
    images: PredictionImages,
    predictor: Predictor,
    folder: PredictionFolder,
    options: PredictionOptions,
    batch_size: int,
    progress: bool,
) -> PredictionReport:
    choices = SceneChoices.choose(options, predictor.tiles, predictor.chip, batch_size)
    check_turned_tiles(choices.tiles or default_tiles(predictor.chip), predictor.ensemble)
    name = predictor.run_name(choices, folder.options)
    with folder, _group_runner(options, predictor, choices) as run:
        return predict_scenes(
            images.paths,
            predictor.for_scenes(choices, name),
            folder,
            unreadable=images.failures,
            overwrite=options.overwrite,
            strict=options.strict,
            progress=progress,
            run=run,
        )


@contextmanager
def _group_runner(
    options: PredictionOptions, predictor: Predictor, choices: SceneChoices
) -> Iterator[RunGroup]:
    """Yield what runs scenes: this process, or Ray workers, which start when there is work."""
    if options.distributed is None:
        yield run_group
        return
    from terratorch.prediction.spread.distributed import SpreadGroup
    from terratorch.prediction.spread.ray_workers import RayWorkers
    from terratorch.tiles.batch_size import release_memory

    with ExitStack() as stack:

        def start() -> RayWorkers:
            device = predictor.device
            predictor.to(CPU)  # it is sent from there, and frees the GPU
            release_memory()
            scenes_on = partial(predictor.scenes_on, choices)
            workers = RayWorkers(scenes_on, device, options.workers, options.ray_address)
            return stack.enter_context(workers)

        yield SpreadGroup(start)


def check_whole_images(options: PredictionOptions) -> None:
    """Refuse options for maps of scenes if images are predicted whole, or batch by batch.

    Raises:
        ConfigurationError: If one of them is set.
    """
    for name in (*AREA_OPTIONS, *TILE_OPTIONS):
        if getattr(options, name) is not None:
            raise ConfigurationError(
                name,
                "is for maps of scenes, but here images are predicted whole: to labels, or by your "
                "own task, data module or writer",
                "Remove it.",
            )
    if options.distributed is not None:
        raise ConfigurationError(
            "distributed",
            f"{options.distributed}, but only maps are spread over workers: labels of whole "
            "images, and your own tasks and data modules, run batch by batch",
            "Remove it.",
        )


def check_no_workers(num_workers: int | None) -> None:
    """Refuse reading processes for scenes.

    Raises:
        ConfigurationError: If the option is set.
    """
    if num_workers is not None:
        raise ConfigurationError(
            "num_workers",
            f"{num_workers}, but scenes are read by a thread, not by processes",
            "Remove it: it is for images that get a label each.",
        )
