"""The papers' experiments, and a comparison of losses: runs as data, and how one is carried out.

A folder a paper or a question. A module with `ROWS` is an experiment, which
`sotlib.companion.runner` calls ``<folder>_<module>``. It has

- ``ROWS``, the runs by the name of their row in the paper's table, and ``BUDGETS``, by name; the
  ``steps`` of one are its length, 1 by default;
- ``SEEDS``, those of a sweep that is given none, or a mapping of budgets to them;
- ``run(row, seed, *, budget, folder, device, progress)``, which carries out one run, resumes it
  where it was interrupted, writes its record ``<row>-<seed>.json`` into the folder and returns it.
  A record of this run that is there is returned; of another one, it is an error; damaged, or with
  damage beside it, it is put aside.
  It calls `progress` with the number of steps done; where that raises `training.Stopped`, the state
  is saved first. `runs.make_run` makes it.

and, where needed, ``verify(row, seed, *, budget, folder)``, which raises where what lies beside a
record is missing or damaged, and ``QUEUE``, the order in which its table is to be filled: parts
``(budget, rows, seeds)``, the most wanted first. A row with ``needs`` is begun once the row of that
name is recorded, with the same seed.

The same seed gives the same numbers on the same machine with the same number of threads,
interrupted or not; on a GPU, up to the rounding of sums whose order is not fixed there. A run may
go on on another device, with other dropout from there on.

Examples
--------
>>> import tempfile
>>> from sotlib.companion.experiments.sot import table as sot_table
>>> with tempfile.TemporaryDirectory() as folder:
...     record = sot_table.run("SOT-2048", 42, budget="smoke", folder=folder)
>>> sorted(record["results"]["test"])
['lsd_mean_square', 'lsd_root', 'mss', 'rca', 'rpa']
"""

FOLDS = ("train", "validation", "test")
PAPERS = ("sot", "pnp", "compare")  # folders, in the order of their queues
