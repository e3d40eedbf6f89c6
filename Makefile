# `make demo` and `make test` start from nothing: they create the environment and install what they need.
# bash is found on the path, because Windows has it elsewhere; there, the environment's programs are in Scripts.
SHELL := bash
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# pinned: the tested set of constraints.txt. oldest: the lower bounds of pyproject.toml. newest: what the index has.
# napari-prerelease: the newest, and of napari its newest pre-release.
DEPENDENCIES ?= pinned
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINS := $(if $(filter pinned,$(DEPENDENCIES)),-c constraints.txt,--upgrade)
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: help demo napari environment test test-gui test-viewer test-stress test-slow fuzz mutants lint format docs bench gpu scores grids tables tables-slow \
	screenshots recording pictures thumbnails system version dist sbom clean

help:
	@echo "make demo        upscale the shipped samples and write a page that shows them next to their references"
	@echo "make napari      open napari with a sample and the Super-Resolution widget"
	@echo "make test        run the tests that take seconds"
	@echo "make test-gui    run the widgets' tests that take minutes"
	@echo "make test-viewer run the widgets 200 times and measure what stays in memory (most of an hour)"
	@echo "make test-stress run the widgets' tests while four processes keep the processors busy"
	@echo "make test-slow   run all tests and measure their coverage (hours)"
	@echo "make fuzz        read 20,000 damaged files and 2,000 damaged models (an hour; goes on where it was stopped)"
	@echo "make mutants     make 150 small faults in core and inference and count those that tests find (an hour; goes on)"
	@echo "make lint        run ruff and mypy"
	@echo "make docs        build the documentation and run every command that it shows"
	@echo "make bench       measure throughput here, also of other programs (hours; BENCH=--quick: minutes)"
	@echo "make gpu         check and measure everything that only a GPU can show (9 minutes; OUT=results/gpu)"
	@echo "make tables      write the tables of the documentation that are made from the program"
	@echo "make dist        build the package"
	@echo "make sbom        list what is installed, with versions and licences, as build/sbom.cdx.json"

demo: $(VENV)/.program
	$(BIN)/superres demo -o results

napari: $(VENV)/.tests
	$(BIN)/python -m napari_superres.plugin.demo

# Two processes, each with a display of its own; more need 2 GiB of memory each.
JOBS ?= 2
test: $(VENV)/.tests system
	$(BIN)/pytest -m "not slow and not docs" -n $(JOBS) --dist loadfile

test-gui: $(VENV)/.tests system
	$(BIN)/pytest -m "gui and slow and not long"

# Memory, handles and threads of 200 runs of the widgets: most of an hour.
test-viewer: $(VENV)/.tests system
	$(BIN)/pytest -m long -s

# The widgets' tests while four processes keep the processors busy: tests wait for events, never for time.
test-stress: $(VENV)/.tests system
	tests/helpers/widgets/stress.sh 4 $(BIN)/pytest -m gui

# Coverage counts only if all tests run, so the quick ones run as well.
test-slow: $(VENV)/.tests system
	$(BIN)/pytest -m "not docs" --cov --cov-report=term --cov-report=xml

# What is done, and what failed, is in fuzz.json.
CASES ?= 20000
SEED ?= 1
fuzz: $(VENV)/.tests
	PYTHONPATH=tests $(BIN)/python -m helpers.fuzz --cases $(CASES) --seed $(SEED)
	SUPERRES_FUZZ_CASES=$$(($(CASES) / 10)) SUPERRES_FUZZ_SEED=$(SEED) $(BIN)/pytest -q tests/models/test_fuzz_models.py

# build/mutants/mutants.json says which faults survived. MUTANTS="--count 300 --seed 2" tries others, --again survivors.
mutants: $(VENV)/.tests
	PYTHONPATH=. $(BIN)/python tests/benchmarks/mutants/run.py $(MUTANTS)

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Every engine, three networks, 2048 x 2048, with one thread and with all: hours on two cores. BENCH=--quick takes
# minutes. The figures go to docs/performance, in files named by processor, threads and version, and into the table there.
bench: $(VENV)/.bench
	$(if $(filter --quick,$(BENCH)),,$(BIN)/superres bench)
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/peers.py $(BENCH) --json build/bench-one.json
	env -u OMP_NUM_THREADS $(BIN)/python tests/benchmarks/peers.py $(BENCH) --json build/bench-all.json
	PYTHONPATH=tests:. $(BIN)/python -m helpers.tables.performance build/bench-one.json build/bench-all.json

# OUT gets gpu.json and gpu.log. GPU="--wheels DIR --minutes 5" sets options, and GPU=--tiny tries the way without a GPU.
# It installs nothing: GPU_PYTHON is a Python that has torch, by default that of the environment if there is one.
OUT ?= results/gpu
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
gpu:
	$(GPU_PYTHON) tests/gpu/run.py $(OUT) $(GPU)

# DATA is a folder with benchmark/Set5, benchmark/Set14 and test/fluorescence.
scores: $(VENV)/.tests
	$(BIN)/python tests/benchmarks/scores.py $(DATA)

# DATA as superres-bench describes it (docs/reference/superres-bench.md); MODELS are names or files: a minute each.
grids: $(VENV)/.tests
	$(BIN)/python tests/benchmarks/grid.py $(DATA) $(MODELS) --write

# docs/_build/html; the gallery's examples are run, and so is what the pages show: minutes.
docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/pytest -m docs

screenshots: $(VENV)/.tests system
	xvfb-run -a -s "-screen 0 1280x800x24" $(BIN)/python docs/screenshots.py

# The film of the first steps, and the animated picture of the README: minutes.
recording: $(VENV)/.docs system
	xvfb-run -a -s "-screen 0 1280x800x24" $(BIN)/python docs/recording.py

# The pictures of the README, from the samples: seconds.
pictures: $(VENV)/.tests
	$(BIN)/python docs/pictures.py

# An image before and after each shipped model, next to its weights: a minute.
thumbnails: $(VENV)/.tests
	$(BIN)/python docs/thumbnails.py

# The tables of layers, models and speeds, and conda's recipe. Those of formats and of spandrel's architectures take minutes: make tables-slow.
tables: $(VENV)/.tests
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.architecture
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.conda
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.models
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.performance

tables-slow: $(VENV)/.tests
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.formats
	PYTHONPATH=tests $(BIN)/python -m helpers.tables.spandrel

# What Qt and OpenGL need to draw without a screen.
system:
	@.ci/system-packages.sh

environment: $(VENV)/.tests

version:
	@sed -n 's/^__version__ = "\(.*\)"/\1/p' napari_superres/__init__.py

dist: $(VENV)/.tests
	rm -rf dist
	$(BIN)/python -m build

# What is installed in the environment, with versions and licences. The tool has an environment of its own.
sbom: $(VENV)/.program
	$(BIN)/python -m venv $(VENV)/sbom
	$(BIN:$(VENV)/%=$(VENV)/sbom/%)/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0
	mkdir -p build
	$(BIN:$(VENV)/%=$(VENV)/sbom/%)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
		-o build/sbom.cdx.json $(BIN)/python

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found. Install it, or name it: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.program: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) $(PINS) -e .
	@touch $@

$(VENV)/.tests: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
ifeq ($(DEPENDENCIES),oldest)
	$(PIP) uv
	$(BIN)/python -m uv pip install --python $(BIN)/python --resolution lowest-direct -e '.[gui,train,test,dev]'
else
	$(PIP) $(PINS) -e '.[gui,train,test,dev]'
endif
ifeq ($(DEPENDENCIES),napari-prerelease)
	$(PIP) --upgrade --pre napari
endif
	@touch $(VENV)/.program $@

$(VENV)/.docs: $(VENV)/.tests
	$(PIP) $(PINS) -e '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.tests
	$(PIP) $(PINS) -e '.[bench]'
	@touch $@

clean:
	rm -rf $(VENV) results build dist .coverage coverage.xml
