"""The picture that opens the page of benchmarks: how many times faster, than what."""

from collections.abc import Mapping
from typing import NamedTuple

from sotlib.companion.book._drawings import svg


class Headline(NamedTuple):
    """A row of a record, and what the picture calls it."""

    record: str
    task: str
    peer: str
    label: str


HEADLINES = [
    Headline(
        "sot",
        "W2² and its gradient, 1088 pairs of 1025 bins",
        "POT, ot.wasserstein_1d",
        "transport on a line, POT",
    ),
    Headline(
        "sot",
        "the whole loss and its gradient, 16 signals of 1 s at 16 kHz",
        "sot-loss",
        "SOT loss, sot-loss",
    ),
    Headline(
        "tfot",
        "64 × 32 bins, ε = 0.01, until each stops",
        "POT",
        "Sinkhorn on the plane, POT",
    ),
    Headline(
        "spectral",
        "multi-resolution STFT loss of 16 sounds of 1 s, and its gradient",
        "auraloss",
        "multi-resolution STFT loss, auraloss",
    ),
    Headline(
        "transforms", "16 × 4 s, forward and backward", "nnAudio", "constant-Q transform, nnAudio"
    ),
    Headline(
        "scattering",
        "a loss of 32768 samples and its gradient",
        "kymatio, as scrapl-loss has it",
        "scattering loss, kymatio",
    ),
]


def found(records: Mapping[str, Mapping]) -> list[tuple[str, float]]:
    """Labels and ratios of those headlines that the records have, the largest first."""
    bars = []
    for name, task, peer, label in HEADLINES:
        rows = records[name]["results"]["rows"] if name in records else []
        ratios = [row["ratio"] for row in rows if (row["task"], row["name"]) == (task, peer)]
        bars += [(label, ratio) for ratio in ratios]
    return sorted(bars, key=lambda bar: -bar[1])


def picture(bars: list[tuple[str, float]]) -> str:
    """Bars on a logarithmic axis, as SVG."""

    def draw(figure):
        figure.set_size_inches(6.4, 0.5 + 0.38 * len(bars))
        axes = figure.add_subplot()
        labels, ratios = zip(*reversed(bars), strict=True)
        drawn = axes.barh(labels, ratios, height=0.6)
        axes.bar_label(drawn, [f"{ratio:.3g} ×" for ratio in ratios], padding=3)
        axes.set(xscale="log", xlim=(1, 2 * max(ratios)), xlabel="times as fast as the peer named")
        axes.grid(False, axis="y")

    return svg(draw)
