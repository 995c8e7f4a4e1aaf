"""How benchmarks are measured and recorded, and the page that shows them."""

import json
import mmap

import pytest

from sotlib.companion import benchmarks
from sotlib.companion._digests import content_digest
from sotlib.companion.benchmarks import added_megabytes, check_results, compare, grow, main
from sotlib.companion.book import BookError, headlines
from sotlib.companion.book.benchmarks import NAME, files
from sotlib.companion.records import read_records, write_record

SCRIPT = """
def run():
    rows = [{"task": "add", "name": name, "seconds": s, "ratio": s / 2.0}
            for name, s in (("sotlib", 2.0), ("peer | other", 25.0))]
    series = [{"name": "sotlib", "sizes": [1, 10], "seconds": [1.0, 5.0]}]
    return {"title": "Adding", "measures": "Sums.", "device": DEVICE, "rows": rows,
            "growth": {"size": "numbers", "series": series}}
"""


@pytest.fixture
def recorded(tmp_path):
    """Record the script above for a device; returns the folder."""

    def record(device="cpu"):
        script = tmp_path / "bench_adding.py"
        script.write_text(SCRIPT.replace("DEVICE", repr(device)))
        assert main([str(script), "--out", str(tmp_path / "results")]) == 0
        return tmp_path / "results"

    return record


def test_a_script_is_told_the_device_if_it_is_not_the_cpu(tmp_path):
    script = tmp_path / "bench_adding.py"
    script.write_text(SCRIPT.replace("run()", "run(device='cpu')").replace("DEVICE", "device"))
    for name in ("cpu", "cuda"):
        folder = tmp_path / name
        assert main([str(script), "--out", str(folder), "--device", name]) == 0
        (record,) = read_records(folder).values()
        assert record["results"]["device"] == name


def test_a_script_for_a_cpu_alone_says_so(tmp_path, capsys):
    script = tmp_path / "bench_adding.py"
    script.write_text(SCRIPT.replace("DEVICE", "'cpu'"))
    assert main([str(script), "--out", str(tmp_path / "results"), "--device", "cuda"]) == 1
    assert "bench_adding.py: ValueError: it measures on a CPU only" in capsys.readouterr().err


class Clock:
    """Stands still but for what waits on it: no test here measures time."""

    now = 0.0

    def perf_counter(self):
        return self.now

    def waiting(self, seconds, calls=None, name=""):
        def function():
            self.now += seconds
            if calls is not None:
                calls.append(name)

        return function


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(benchmarks, "time", clock)
    return clock


def test_ratios_are_to_the_first_contestant(clock):
    rows = compare("wait", {"a": clock.waiting(0.02), "b": clock.waiting(0.5)})
    assert [row["name"] for row in rows] == ["a", "b"]
    assert [row["seconds"] for row in rows] == pytest.approx([0.02, 0.5])
    assert [row["ratio"] for row in rows] == pytest.approx([1, 25])


def test_a_slow_turn_does_not_count(clock):
    seconds = iter([1.0, 1.0, 1.0, 9.0, 1.0])  # two calls before, three turns

    def irregular():
        clock.now += next(seconds)

    assert compare("wait", {"a": irregular}, repeats=3)[0]["seconds"] == 1.0


def test_contestants_are_called_twice_before_and_then_in_turns(clock):
    calls = []
    compare("count", {name: clock.waiting(0.06, calls, name) for name in "ab"}, repeats=3)
    assert "".join(calls) == "aabb" + 3 * "ab"


def test_a_turn_repeats_what_is_fast(clock):
    calls = []
    contestants = {"s": clock.waiting(0.06), "f": clock.waiting(0.004, calls)}
    rows = compare("count", contestants, repeats=2)
    assert len(calls) == 2 + 2 * 13  # 0.05 s a turn
    assert rows[1]["seconds"] == pytest.approx(0.004)  # of one call


def test_growth_leaves_out_who_does_not_take_part():
    growth = grow(
        "n", (1, 2), {"a": lambda n: lambda: n, "b": lambda n: (lambda: n) if n < 2 else None}
    )
    assert [series["sizes"] for series in growth["series"]] == [[1, 2], [1]]
    check_results(
        {
            "title": "t",
            "measures": "m",
            "device": "cpu",
            "growth": growth,
            "rows": compare("a", {"a": int}),
        }
    )


def test_memory_is_the_most_that_is_held_and_not_the_sum():
    def two_after_each_other():
        for size in (60_000_000, 100_000_000):
            # From the system and back to it, whatever the heap looks like; written to, so resident.
            with mmap.mmap(-1, size) as memory:
                memory[::4096] = b"x" * len(range(0, size, 4096))

    if (megabytes := added_megabytes(two_after_each_other)) is None:
        pytest.skip("this system does not tell")
    assert 95 < megabytes < 130


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": ""}, "must return 'title'"),
        ({"device": "tpu"}, "device must be 'cpu' or 'cuda', but is 'tpu'"),
        ({"rows": [{"task": "a", "name": "b", "seconds": 1.0}]}, "lacks 'ratio'"),
        ({"rows": [{"task": "a", "name": "b", "ratio": 1.0}]}, "must have one of"),
        ({"rows": [{"task": "a", "name": "b", "seconds": 1.0, "ratio": 9.0}]}, "not the ratio 1"),
        (
            {"growth": {"size": "n", "series": [{"name": "a", "sizes": [1], "seconds": []}]}},
            "growth of a",
        ),
    ],
)
def test_results_must_be_as_described(change, message):
    good = {"title": "t", "measures": "m", "device": "cpu", "rows": compare("a", {"a": int})}
    check_results(good)
    with pytest.raises(ValueError, match=message):
        check_results(good | change)


def test_a_script_that_fails_is_named_and_the_others_are_recorded(tmp_path, capsys):
    scripts = tmp_path / "bench_bad.py", tmp_path / "bench_good.py"
    scripts[0].write_text("def run():\n    return {}\n")
    scripts[1].write_text(SCRIPT.replace("DEVICE", "'cpu'"))
    assert main([*map(str, scripts), "--out", str(tmp_path)]) == 1
    output = capsys.readouterr()
    assert "bench_bad.py: ValueError: run() must return 'title'" in output.err
    assert [p.name for p in tmp_path.glob("*.json")] == ["good.json"]


def test_page_shows_ratios_machine_and_versions(recorded):
    found = files(recorded())
    page = found[NAME]
    assert "| add | sotlib | 1 | 2000 |" in page
    assert r"|  | peer \| other | 12 × | 25000 |" in page
    provenance = json.loads((recorded() / "adding.json").read_text())["provenance"]
    for word in (provenance["machine"]["cpu"], provenance["versions"]["torch"], "bench_adding.py"):
        assert word in page
    assert "<svg" in found[f"{NAME}-adding.svg"]
    assert "5 times as long at 10 as at 1" in page


def test_page_has_the_ratios_of_one_thread_beside(recorded):
    folder = recorded()
    single = json.loads((folder / "adding.json").read_text())["results"]
    single["rows"][1] |= {"seconds": 6.0, "ratio": 3.0}
    write_record(
        folder / "one-thread" / "adding.json", kind="benchmark", configuration={}, results=single
    )
    page = files(folder)[NAME]
    assert "| task | what | relative to sotlib | one thread | milliseconds |" in page
    assert r"|  | peer \| other | 12 × | 3 × | 25000 |" in page


def test_page_is_the_same_every_time(recorded):
    folder = recorded()
    assert files(folder) == files(folder)


def test_page_without_records_says_so(tmp_path):
    assert "run `make bench`" in files(tmp_path)[NAME]


def test_damaged_records_are_named(recorded):
    folder = recorded()
    record = json.loads((folder / "adding.json").read_text())
    record["results"]["rows"][1]["ratio"] = 1.0
    record["digest"] = content_digest(record)
    (folder / "adding.json").write_text(json.dumps(record))
    with pytest.raises(BookError, match=r"adding\.json is damaged: .* has not the ratio 12\.5"):
        files(folder)
    (folder / "adding.json").write_text("{")
    with pytest.raises(BookError, match=r"adding\.json is damaged"):
        files(folder)


def test_recorded_results_of_this_repository_are_readable(root):
    found = files(root / "results" / "benchmarks")
    scripts = {path.stem.removeprefix("bench_") for path in (root / "benchmarks").glob("*.py")}
    shown = {name for name in scripts if f"(bench-{name})=" in found[NAME]}
    assert "transforms" in shown


def test_the_picture_that_opens_the_page_has_all_its_bars(root):
    bars = headlines.found(read_records(root / "results" / "benchmarks", kind="benchmark"))
    assert {label for label, _ in bars} == {headline.label for headline in headlines.HEADLINES}
    ratios = [ratio for _, ratio in bars]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[-1] > 1
    assert all(
        f"{ratio:.3g} times" in files(root / "results" / "benchmarks")[NAME] for ratio in ratios
    )


def test_a_picture_without_records_is_left_out(recorded):
    assert not any("headlines" in name for name in files(recorded()))


def test_a_file_instead_of_a_folder_is_named_before_anything_runs(tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        main(["nothing.py", "--out", str(tmp_path / "file")])
    assert "file is a file: give a folder" in capsys.readouterr().err
