"""EFFECT. The layers of one import, staged side by side: as many at once as there are processors.

Each has a thread, which reads, hashes, decompresses and writes (all of that outside the interpreter's lock), and an
unpacking process. The first error ends all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager

from stage0.image.foreman import Foreman
from stage0.image.layers import Stage, StagedLayer, check_count, stage_layer
from stage0.image.sources import LayerSource


@contextmanager
def foreman_of(stage: Stage) -> Iterator[None]:
    """Let threads stage layers; enter it before the first of them begins, leave it when all are done."""
    foreman, alone = Foreman(), stage.start
    stage.start = foreman.start
    try:
        yield
    finally:
        stage.start = alone
        foreman.close()


def stage_layers(stage: Stage, layers: Sequence[LayerSource]) -> list[StagedLayer]:
    """Stage all layers of an image; a single one needs neither thread nor foreman."""
    check_count(stage, len(layers))
    different = {layer.diff_id or f"layer {number}": layer for number, layer in enumerate(layers)}
    if len(different) == 1:
        return [stage_layer(stage, layers[0])] * len(layers)
    with foreman_of(stage):
        staged = _side_by_side(stage, different)
    return [staged[layer.diff_id or f"layer {number}"] for number, layer in enumerate(layers)]


def _side_by_side(stage: Stage, layers: dict[str, LayerSource]) -> dict[str, StagedLayer]:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "layer") as pool:
        futures = {key: pool.submit(stage_layer, stage, layer) for key, layer in layers.items()}
        try:
            for future in wait(futures.values(), return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            stage.stopped = True
            pool.shutdown(cancel_futures=True)
            raise
        return {key: future.result() for key, future in futures.items()}
