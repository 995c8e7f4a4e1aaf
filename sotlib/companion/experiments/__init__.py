"""The papers' experiments: their runs as data, and how one run is carried out.

A folder a paper. A module with `ROWS` is an experiment, which `sotlib.companion.runner` calls
``<folder>_<module>``. It has

- ``BUDGETS``, by name, and ``ROWS``, the runs by the name of their row in the paper's table;
- ``default_seeds(budget)``, those of a sweep that is given none;
- ``run(row, seed, *, budget, folder, device, progress)``, which carries out one run, resumes it
  where it was interrupted, writes its record into the folder and returns it.

and, where needed, ``verify(row, seed, *, budget, folder)``, which raises where what lies beside a
record is damaged, and ``QUEUE``, the order in which its table is to be filled: parts
``(budget, rows, seeds)``, the most wanted first.
"""
