"""Figures, sounds, sliders and tables as the chapters show them."""

import base64
import io
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile
import torch

from sotlib.companion import show

TIME = np.arange(16000) / 16000
TONE = np.sin(2 * np.pi * 500 * TIME)


@pytest.fixture(autouse=True)
def plain_matplotlib():
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def decoded(markup):
    data = re.search(r'src="data:audio/mpeg;base64,([^"]+)"', markup).group(1)
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


def line(value):
    plt.figure(figsize=(2, 1))
    plt.plot([0, 1], [0, value])
    plt.title(f"${value}$")


def test_sound_is_the_signal_and_small():
    markup = show.play(TONE, 16000, title="A <tone>", fade=0).data
    sound, rate = decoded(markup)
    assert rate == 16000
    spectrum = np.abs(np.fft.rfft(sound[2000:10000]))
    assert np.argmax(spectrum) * 16000 / 8000 == pytest.approx(500, abs=2)
    assert len(markup) < 30_000
    assert 'aria-label="A &lt;tone&gt;"' in markup
    assert "<figcaption>A &lt;tone&gt;</figcaption>" in markup


@pytest.mark.parametrize(("gain", "peak"), [(20.0, 0.9), (0.2, 0.2), (0.0, 0.0)])
def test_sound_is_made_quieter_only(gain, peak):
    sound, _ = decoded(show.play(gain * TONE, 16000, title="tone").data)
    assert np.abs(sound).max() == pytest.approx(peak, rel=0.05, abs=1e-4)


def test_sound_takes_tensors_and_leaves_them_alone():
    signal = torch.tensor(TONE, requires_grad=True)
    before = signal.detach().clone()
    one = show.play(signal, 16000, title="tone", fade=0.1).data
    assert torch.equal(signal.detach(), before)
    assert one == show.play(TONE, 16000, title="tone", fade=0.1).data


@pytest.mark.parametrize(
    ("signal", "options", "error", "message"),
    [
        (TONE[None], {}, ValueError, r"shape \(samples,\), but has \(1, 16000\)"),
        (TONE[:0], {}, ValueError, r"shape \(samples,\), but has \(0,\)"),
        (TONE * np.nan, {}, ValueError, "not finite"),
        (TONE + 0j, {}, TypeError, "real numbers, but its dtype is complex128"),
        (TONE, {"sample_rate": 16001}, ValueError, "sample_rate must be one of .* is 16001"),
        (TONE, {"fade": -1}, ValueError, "fade must be at least 0 seconds, but is -1"),
        (TONE, {"title": " "}, ValueError, "title is empty"),
    ],
)
def test_bad_sounds_are_refused(signal, options, error, message):
    with pytest.raises(error, match=message):
        show.play(signal, **({"sample_rate": 16000, "title": "tone"} | options))


def test_slider_shows_one_frame_and_its_value():
    markup = show.slider(line, [1, 2, 3], label="Slope", format="{} %").data
    frames = re.findall(r'<div class="sot-frame" data-text="([^"]+)"( hidden)?>', markup)
    assert frames == [("1 %", " hidden"), ("2 %", ""), ("3 %", " hidden")]
    assert 'max="2" step="1" value="1" aria-valuetext="2 %"' in markup
    assert 'aria-label="Slope: 2 %"' in markup
    assert not plt.get_fignums()


def test_ids_of_frames_and_sliders_are_unique_and_resolve():
    markup = "".join(show.slider(line, [1, 2], label="Slope").data for _ in "ab")
    ids = re.findall(r'\bid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:href="|url\()#([^")]+)', markup)
    assert used
    assert set(used) <= set(ids)


def test_slider_with_a_function_for_format_and_sounds():
    markup = show.slider(
        line,
        [1, 2],
        label="Gain",
        format=lambda value: f"<{value}>",
        start=0,
        sound=lambda value: TONE / value,
        sample_rate=16000,
    ).data
    assert markup.count("<audio") == 2
    assert 'data-text="&lt;1&gt;"' in markup


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"draw": 3}, TypeError, "draw must be a function of one value, but is int"),
        ({"values": [1]}, ValueError, "2 to 100 positions, but has 1"),
        ({"start": 2}, ValueError, r"start must be in 0 \.\.\. 1, but is 2"),
        ({"sample_rate": 16000}, ValueError, "sound and sample_rate belong together"),
    ],
)
def test_bad_sliders_are_refused(options, error, message):
    arguments = {"draw": line, "values": [1, 2], "label": "Slope"} | options
    with pytest.raises(error, match=message):
        show.slider(arguments.pop("draw"), arguments.pop("values"), **arguments)


def test_table_of_mappings_escapes_bars():
    text = show.table([{"a": "x|y", "b": 2}], name="tab-a", caption="One.").data
    assert text.splitlines()[3:-1] == ["| a | b |", "|---|---|", "| x\\|y | 2 |"]


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        ([], {}, ValueError, "rows is empty"),
        ([[1]], {}, TypeError, "columns is needed unless the rows are mappings"),
        ([[1, 2]], {"columns": ["a"]}, ValueError, r"a row must have 1 cells, but is \[1, 2\]"),
        ([{"a": 1}], {"columns": ["b"]}, ValueError, "a row has no 'b'; it has a"),
        ([{"a": 1}], {"name": "Tab A"}, ValueError, "name must be of a-z, 0-9 and -"),
        ([{"a": 1}], {"caption": "a\nb"}, ValueError, "caption must be one line"),
        ([[1]], {"columns": [" "]}, ValueError, "columns has an empty heading"),
    ],
)
def test_bad_tables_are_refused(rows, options, error, message):
    with pytest.raises(error, match=message):
        show.table(rows, **({"name": "tab-a", "caption": "A."} | options))


def test_style_draws_the_same_transparent_svg_twice():
    pictures = []
    with mpl.rc_context():
        show.use_style()
        for _ in "ab":
            line(1)
            buffer = io.StringIO()
            plt.savefig(buffer, format="svg", metadata={"Date": None})
            pictures.append(buffer.getvalue())
    assert pictures[0] == pictures[1]
    assert "fill: #ffffff" not in pictures[0]


PICKED = {"rows": {"a<b": [99.6, 50], "c": [80, 80]}, "columns": ["pitch", "1 < 2"]}
COSTS = {"costs": {"a<b": 0.5, "c": 20}, "limits": {"any time": 1e9, "1 ms": 1}}
WORDS = {"legend": "Tick", "caption": "Shares"}


def test_picker_is_a_table_without_scripts():
    markup = show.picker(**PICKED, **COSTS, **WORDS).data
    body = re.sub(r"<script>.*</script>", "", markup, flags=re.S)
    cells = re.findall(r'<td data-value="([^"]*)">([^<]*)</td>', body)
    assert cells == [("99.6", "100"), ("50", "50"), ("80", "80"), ("80", "80")]
    assert re.findall(r'data-cost="([^"]*)"', body) == ["0.5", "20"]
    assert body.count("checkbox") == 2
    assert "a&lt;b" in body
    assert "1 &lt; 2" in body
    assert re.search(r'<option value="1e\+09">any time</option><option value="1">1 ms', body)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["pitch"]}, r"rows\['a<b'\] must have 1 values; got 2"),
        ({"rows": {"a<b": [101, 0]}}, "must lie between 0 and 100"),
        ({"costs": {"a<b": 1}}, "costs must have an entry for the row 'c'"),
        ({"limits": {}}, "rows and limits must not be empty"),
        ({"rows": {}}, "rows and limits must not be empty"),
    ],
)
def test_bad_pickers_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        show.picker(**(PICKED | COSTS | WORDS | options))
