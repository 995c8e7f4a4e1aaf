"""Training steps that a GPU repeats from a recording, instead of being told of every kernel.

A step of the SOT paper's model is a thousand kernels of some microseconds each, and naming them to
the GPU takes longer than they do: on an NVIDIA H200 a step on 16 frames fell from 29 to 7 ms.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from sotlib import unchecked

BEFORE = 2  # steps of a kind that are taken plainly: what is set up once must not be recorded


@dataclass(frozen=True)
class Recording:
    """What a step reads, what it gives, and the kernels between."""

    arguments: tuple[Tensor, ...]
    result: Tensor
    graph: torch.cuda.CUDAGraph


class Replayed:
    """A training step, recorded as a CUDA graph once it has been taken a few times.

    Parameters
    ----------
    step : callable
        Tensors to one tensor. Whatever else it reads must stay at its place in memory; the
        optimiser must be capturable, and no number may go from the GPU to Python. Checks of values
        are off in a recording: the caller looks at what comes out.
    generator : torch.Generator, optional
        From which the step draws.

    Examples
    --------
    On a CPU the step is taken as it is.

    >>> import torch
    >>> from sotlib.companion.experiments.replay import Replayed
    >>> Replayed(torch.square)(torch.tensor([1.0, 2.0]))
    tensor([1., 4.])
    """

    def __init__(self, step: Callable[..., Tensor], generator: torch.Generator | None = None):
        self.step, self.generator = step, generator
        self.recordings: dict[Hashable, Recording] = {}
        self.taken: Counter[Hashable] = Counter()
        self.stream: torch.cuda.Stream | None = None

    def __call__(self, *arguments: Tensor, kind: Hashable = None) -> Tensor:
        """Take a step; steps of another `kind`, or with arguments of other shapes, differ."""
        if not arguments[0].is_cuda:
            return self.step(*arguments)
        kind = kind, *(argument.shape for argument in arguments)
        # Not the default stream, on which nothing can be recorded.
        self.stream = self.stream or torch.cuda.Stream(arguments[0].device)
        before = torch.cuda.current_stream(arguments[0].device)
        self.stream.wait_stream(before)
        with torch.cuda.stream(self.stream):
            result = self._take(kind, arguments)
        before.wait_stream(self.stream)
        return result

    def _take(self, kind, arguments):
        self.taken[kind] += 1
        if self.taken[kind] <= BEFORE:
            return self.step(*arguments)
        if kind not in self.recordings:
            self.recordings[kind] = self._record(arguments)
        recording = self.recordings[kind]
        for place, argument in zip(recording.arguments, arguments, strict=True):
            place.copy_(argument)
        recording.graph.replay()
        return recording.result.clone()

    def _record(self, arguments):
        places = tuple(argument.clone() for argument in arguments)
        graph = torch.cuda.CUDAGraph()
        if self.generator is not None:
            graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph, stream=self.stream), unchecked():
            result = self.step(*places)
        return Recording(places, result, graph)
