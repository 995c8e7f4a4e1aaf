"""Smoke runs of the experiments: what of a record must come out again, and ways to stop one."""

from sotlib.companion.experiments.training import Stopped
from sotlib.companion.records import read_record

ROWS = ["SOT-512", "MSS-Lin"]


def numbers(record):
    """A record, or one read from its path, without what depends on the day and on the machine."""
    record = record if isinstance(record, dict) else read_record(record)
    kept = {key: record[key] for key in ("kind", "configuration", "seeds", "budget")}
    return kept | {"results": {k: v for k, v in record["results"].items() if k != "timing"}}


def killed_at(step):
    """A progress in which a run ends, whatever its state."""
    return _raising(KeyboardInterrupt, step)


def stopped_at(step):
    """A progress at which a run keeps its state and ends."""
    return _raising(Stopped, step)


def _raising(error, step):
    def progress(done):
        if done >= step:
            raise error

    return progress
