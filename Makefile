# The project's commands; `make help` lists them. Needs GNU make, git and Python 3.11 to 3.13.
SHELL := bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Variables for the command line, as in `make book SCALE=paper JOBS=4`.
PYTHON ?= python3
SCALE ?= laptop
JOBS ?= 2
CHAPTER ?= sot/why
# Further values for a chapter's parameters cell: make chapter PARAMETERS="name=1 other=2"
PARAMETERS ?=
OUT ?= _build
PORT ?= 8000
# Versions of what is installed: locked, or highest or lowest-direct that pyproject.toml allows.
VERSIONS ?= locked
# Build of torch: cpu takes it from TORCH_INDEX where that answers, cuda what pip finds by itself.
TORCH ?= cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# The one place that pins torch; every other version stands in requirements.lock.
TORCH_VERSION := 2.13.0
# Further arguments for pytest, as in `make unit PYTEST_ARGS="-k line"`.
PYTEST_ARGS ?=

# Idle threads spin for some microseconds and then sleep: spinning for longer slows down whatever
# else runs, ourselves included, and sleeping at once makes every short operation wait for a thread.
export GOMP_SPINCOUNT ?= 10000
# glibc keeps freed memory: fresh memory from the system can cost more than the work done in it.
export MALLOC_MMAP_THRESHOLD_ ?= 1073741824
export MALLOC_TRIM_THRESHOLD_ ?= 1073741824

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Brought by CUDA builds of torch only, which is why the lock leaves them out.
CUDA := cuda-bindings cuda-toolkit nvidia-cudnn-cu13 nvidia-cusparselt-cu13 nvidia-nccl-cu13 \
  nvidia-nvshmem-cu13 triton
BOOK := $(PY) -m sotlib.companion.book
COMPILE := $(VENV)/bin/uv pip compile pyproject.toml
EXTRAS := $(addprefix --extra ,book test bench cluster experiments)
PEERS := $(VENV)/peers

.PHONY: help setup book chapter compare assignment zips notebooks publish-notebooks serve test unit slow site-test \
  lint bench lock dist screenshots clean
# The unit tests come before the site's, also under make -j.
.NOTPARALLEL:

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sort | sed -E 's/:.*  ## /\t/' | expand -t 20
	@echo
	@echo 'Variables: SCALE=smoke|laptop|paper JOBS CHAPTER PARAMETERS PYTHON VERSIONS TORCH PYTEST_ARGS OUT PORT'

setup: $(READY)  ## create .venv with the locked requirements

# The stamp comes last, so that an interrupted setup is done again.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: '$(PYTHON)' is missing or not Python 3.11 to 3.13;" \
	    "choose one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "error: Python's venv module is missing;" \
	    "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	rm -f $(READY)
	$(PYTHON) -m venv $(VENV)
ifeq ($(VERSIONS),locked)
	$(PY) -m pip install --no-deps --require-hashes -r requirements.lock
	$(PY) tools/torch_build.py $(TORCH) $(TORCH_INDEX) torch==$(TORCH_VERSION)
	$(PY) -m pip install --no-deps --no-build-isolation -e .
	$(PY) -m pip check
else
	$(PY) -m pip install --upgrade pip "setuptools>=77" uv
	$(COMPILE) $(EXTRAS) --python $(PY) --resolution $(VERSIONS) -qo $(VENV)/versions.txt
	$(PY) tools/torch_build.py $(TORCH) $(TORCH_INDEX) torch --no-deps -c $(VENV)/versions.txt
	$(PY) -m pip install --no-build-isolation -c $(VENV)/versions.txt -e .[book,test,bench]
endif
	touch $(READY)

book: $(READY)  ## execute all chapters at SCALE and build the website
	$(BOOK) build --scale $(SCALE) --jobs $(JOBS) --out "$(OUT)"

chapter: $(READY)  ## execute one: CHAPTER=sot/why SCALE=paper
	$(BOOK) chapter $(CHAPTER) --scale $(SCALE) --out "$(OUT)" $(addprefix -p ,$(PARAMETERS))

assignment: $(READY)  ## CHAPTER for a course: without solutions, with, for nbgrader, for Otter
	$(BOOK) assignment $(CHAPTER) --scale $(SCALE) --out "$(OUT)"

compare: $(READY)  ## compute what the comparison of losses lacks, and execute its chapters
	$(PY) -m sotlib.companion.runner compare_directions --missing
	$(PY) -m sotlib.companion.runner compare_recovery --missing
	for chapter in directions recovery choose; do \
	  $(BOOK) chapter compare/$$chapter --scale $(SCALE) --out "$(OUT)"; done

zips: $(READY)  ## each chapter with all that it needs, in OUT/zips: no git, no make
	$(BOOK) zips --scale $(SCALE) --jobs $(JOBS) --out "$(OUT)"

notebooks: book  ## the executed chapters for Colab and Binder, in OUT/notebooks
	$(BOOK) notebooks --scale $(SCALE) --out "$(OUT)"

publish-notebooks: book  ## push them to their branch (see _config.yml)
	$(BOOK) notebooks --scale $(SCALE) --out "$(OUT)" --publish

serve: $(READY)  ## serve the built website at http://localhost:PORT
	$(BOOK) serve --out "$(OUT)" --port $(PORT)

test: lint unit site-test  ## everything: lint, tests, the book at smoke, the site in a browser

lint: $(READY)  ## check style with ruff, types with mypy, and the text of the book
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) tools/lint_book.py

# One thread for each process: two processes with two threads each take almost twice as long.
unit: export OMP_NUM_THREADS ?= 1
unit: $(READY)  ## tests of the library and of the build, doctests, the README's code
	$(PY) -m pytest -n $(JOBS) -m "not site and not slow" $(PYTEST_ARGS)

slow: $(READY)  ## the unit tests that take long
	$(PY) -m pytest -m slow $(PYTEST_ARGS)

site-test: $(READY)  ## build the book at smoke and look at it in a browser
	$(BOOK) build --scale smoke --jobs $(JOBS) --out _build/smoke
	SITE=_build/smoke/html $(PY) -m pytest -n $(JOBS) -m site tests/companion/test_site.py \
	  $(PYTEST_ARGS)

# As in a script of one's own: without the variables above.
bench: $(READY) $(PEERS)/.ready  ## run and record every benchmark; `make book` shows them
	env -u GOMP_SPINCOUNT -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ \
	  PYTHONPATH="$(CURDIR)/$(PEERS)" $(PY) -m sotlib.companion.benchmarks
	env -u GOMP_SPINCOUNT -u MALLOC_MMAP_THRESHOLD_ -u MALLOC_TRIM_THRESHOLD_ \
	  PYTHONPATH="$(CURDIR)/$(PEERS)" $(PY) -m sotlib.companion.benchmarks --threads 1 \
	  --out results/benchmarks/one-thread

# Beside what .venv has, for the benchmarks alone.
$(PEERS)/.ready: benchmarks/peers.lock $(READY)
	rm -rf $(PEERS)
	$(PY) -m pip install --no-deps --require-hashes --target $(PEERS) -r benchmarks/peers.lock
	touch $@

# Keeps what still fits; LOCK_ARGS=--upgrade takes the newest of everything but torch.
lock: $(READY)  ## resolve requirements.lock and benchmarks/peers.lock anew
	$(LOCK) $(EXTRAS) --no-emit-package torch --output-file requirements.lock
	$(LOCK) --extra peers --constraints requirements.lock --no-emit-package torch \
	  --no-emit-package torchaudio \
	  $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
	  --output-file benchmarks/peers.lock

LOCK = $(COMPILE) --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
  $(LOCK_ARGS) --constraints <(echo torch==$(TORCH_VERSION)) --excludes <(printf '%s\n' $(CUDA)) \
  --custom-compile-command "make lock (which leaves torch==$(TORCH_VERSION) out)"

dist: $(READY)  ## build sdist and wheel, and run the README's code on the wheel alone
	rm -rf dist _build/empty
	$(PY) -m build --no-isolation
	$(PY) -m venv _build/empty
	_build/empty/bin/python tools/torch_build.py $(TORCH) $(TORCH_INDEX) torch==$(TORCH_VERSION)
	_build/empty/bin/python -m pip install dist/*.whl
	sed -n '/^```python/,/^```/{//!p;}' README.md | (cd _build/empty && bin/python -)

screenshots: $(READY)  ## picture every page of OUT at two widths, light and dark
	$(PY) tests/companion/screenshots.py "$(OUT)/html" "$(OUT)/screenshots"

clean:  ## delete what was built (the environment in .venv stays)
	rm -rf _build build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find sotlib tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
