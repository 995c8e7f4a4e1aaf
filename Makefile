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
# Passed on to pip, for instance to choose the build of torch (see README.md):
# make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
# NEWEST=1 takes the newest versions that pyproject.toml allows instead of the locked ones.
NEWEST ?=
# Further arguments for pytest, as in `make unit PYTEST_ARGS="-k ot1d"`.
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
BOOK := $(PY) -m sotlib.companion.book

.PHONY: help setup book chapter assignment notebooks publish-notebooks serve test unit site-test \
  lint bench report-failure lock wheel screenshots clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sort | sed -E 's/:.*  ## /\t/' | expand -t 20
	@echo
	@echo 'Variables: SCALE=smoke|laptop|paper JOBS CHAPTER PARAMETERS PYTHON PIP_ARGS NEWEST PYTEST_ARGS OUT PORT'

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
ifeq ($(NEWEST),)
	$(PY) -m pip install $(PIP_ARGS) -r requirements.lock
	$(PY) -m pip install $(PIP_ARGS) --no-build-isolation --no-deps -e .
else
	$(PY) -m pip install $(PIP_ARGS) --upgrade pip "setuptools>=77" wheel
	$(PY) -m pip install $(PIP_ARGS) --no-build-isolation -e .[book,test,bench]
endif
	touch $(READY)

book: $(READY)  ## execute all chapters at SCALE and build the website
	$(BOOK) build --scale $(SCALE) --jobs $(JOBS) --out $(OUT)

chapter: $(READY)  ## execute one: CHAPTER=sot/why SCALE=paper
	$(BOOK) chapter $(CHAPTER) --scale $(SCALE) --out $(OUT) $(addprefix -p ,$(PARAMETERS))

assignment: $(READY)  ## CHAPTER without its solutions, and with, for a course
	$(BOOK) assignment $(CHAPTER) --scale $(SCALE) --out $(OUT)

notebooks: book  ## the executed chapters for Colab and Binder, in OUT/notebooks
	$(BOOK) notebooks --scale $(SCALE) --out $(OUT)

publish-notebooks: book  ## push them to their branch (see _config.yml)
	$(BOOK) notebooks --scale $(SCALE) --out $(OUT) --publish

serve: $(READY)  ## serve the built website at http://localhost:PORT
	$(BOOK) serve --out $(OUT) --port $(PORT)

test: lint unit site-test  ## everything: lint, tests, the book at smoke, the site in a browser

lint: $(READY)  ## check style with ruff, types with mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

unit: $(READY)  ## tests of the library and of the build, doctests, the README's code
	$(PY) -m pytest -m "not site" $(PYTEST_ARGS)

# After the unit tests when both are asked for, also under make -j.
site-test: $(READY) | unit
	$(BOOK) build --scale smoke --jobs $(JOBS) --out _build/smoke
	SITE=_build/smoke/html $(PY) -m pytest -m site tests/companion/test_site.py $(PYTEST_ARGS)

bench: $(READY)  ## run and record every benchmark; `make book` shows them
	$(PY) -m sotlib.companion.benchmarks

# For the weekly build; needs the command gh and a token in GH_TOKEN.
report-failure:  ## open an issue that the weekly build failed, or comment on the open one
	$(PYTHON) tools/report_failure.py

# Give several interpreters to lock for all of them:
# make lock LOCK_PYTHONS="python3.11 python3.12 python3.13"
LOCK_PYTHONS ?= $(PYTHON)
lock:  ## resolve requirements.lock anew for LOCK_PYTHONS
	$(PYTHON) tools/lock.py $(addprefix --python ,$(LOCK_PYTHONS))

wheel: $(READY)  ## build the wheel into dist/
	$(PY) -m build --wheel

screenshots: $(READY)  ## picture every page of OUT at two widths, light and dark
	$(PY) tests/companion/screenshots.py $(OUT)/html $(OUT)/screenshots

clean:  ## delete what was built (the environment in .venv stays)
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find sotlib tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +
