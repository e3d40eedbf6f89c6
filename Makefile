# `make demo` and `make test` start from nothing: they make the environment and install what they need.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: demo napari test test-gui test-slow lint format docs bench scores tables screenshots system clean help

help:
	@echo "make demo    super-resolve the shipped samples and measure the results"
	@echo "make napari  open napari with a sample and the Super-Resolution widget"
	@echo "make test    run the tests (make test-gui: the rest of those of the widgets; make test-slow: all that take minutes)"
	@echo "make lint    ruff and mypy"
	@echo "make docs    build the documentation, and run every command that it shows"
	@echo "make bench   throughput here, and beside other tilers (hours; BENCH=--quick: minutes)"

demo: $(VENV)/.program
	$(BIN)/superres demo -o results

napari: $(VENV)/.tests
	$(BIN)/python -m napari_superres.plugin.demo

test: $(VENV)/.tests system
	$(BIN)/pytest -m "not slow and not docs"

test-gui: $(VENV)/.tests system
	$(BIN)/pytest -m "gui and slow"

test-slow: $(VENV)/.tests system
	$(BIN)/pytest -m slow

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Every engine, three networks, 2048 x 2048: hours on two cores. BENCH=--quick takes minutes.
bench: $(VENV)/.bench
	$(BIN)/superres bench
	$(BIN)/python tests/benchmarks/peers.py $(BENCH)

# DATA is a folder with benchmark/Set5, benchmark/Set14 and test/fluorescence.
scores: $(VENV)/.tests
	$(BIN)/python tests/benchmarks/scores.py $(DATA)

# docs/_build/html; the gallery's examples are run, and so is what the pages show: minutes.
docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/pytest -m docs

screenshots: $(VENV)/.tests system
	xvfb-run -a -s "-screen 0 1280x800x24" $(BIN)/python docs/screenshots.py

# The tables of layers and models. That of spandrel's architectures takes minutes: make tables-slow.
tables: $(VENV)/.tests
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.architecture
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.models

tables-slow: $(VENV)/.tests
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.spandrel

# What Qt and OpenGL need to draw without a screen.
system:
	@tests/system-packages.sh

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found. Install it, or name it: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.program: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.tests: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[gui,train,test,dev]'
	@touch $(VENV)/.program $@

$(VENV)/.docs: $(VENV)/.tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) results build dist
