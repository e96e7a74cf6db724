# Every target makes its own environment in .venv; all it needs is Python, pip and make.
PYTHON ?= python3
VENV   := .venv
# Where an environment keeps its programs.
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN    := $(VENV)/$(SCRIPTS)
OLDEST := .venv-oldest
PRE    := .venv-pre
TORCHED := .venv-torch
SCALE  ?= full
OUTPUT ?= results
BACKEND ?= numpy
# What pip installs as PyTorch: a version, or the address of a small build without CUDA.
TORCH  ?= torch

# BLAS threads help nobody here: the matrices are small, and workers share the cores.
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help paper landscape nonlinear certify test coverage test-long test-gpu test-torch test-oldest test-pre test-sdist lint doc bench bench-large bench-defaults many grounds truth clean

help:
	@echo "make paper   run the whole study, write figures 1-4 and the report to $(OUTPUT)/"
	@echo "             (SCALE=small: the quick version)"
	@echo "make landscape  find every critical set of the paper's network"
	@echo "make nonlinear  study small nonlinear networks (SCALE=small: the quick version)"
	@echo "make certify  prove that these sets are there, and of which index"
	@echo "make test    run the whole test suite"
	@echo "make coverage  run it and measure its coverage"
	@echo "make test-long  run the suites of robustness in full size, write doc/robustness.md"
	@echo "make test-gpu  run the tests that need CuPy and a CUDA device"
	@echo "make test-torch  run the tests that need PyTorch, and install it (TORCH=torch==2.13.0)"
	@echo "make test-oldest  run it with the oldest versions that are supported"
	@echo "make test-pre    run it with pre-releases of everything it needs"
	@echo "make test-sdist   build, install what was built, and run a part of the tests"
	@echo "make lint    check style, docstrings, spelling, types and imports"
	@echo "make doc     build the documentation with its examples in doc/_build/html"
	@echo "make bench   measure the speed, write doc/benchmarks.md (BACKEND=cupy: on a GPU)"
	@echo "make bench-large  the same for sizes that take longer"
	@echo "make many   fit over clusters of 1, 2 and 4 processes, write doc/many_machines_measured.md"
	@echo "make bench-defaults  measure the methods' defaults, write doc/newton_mr_*.md"
	@echo "make grounds  run every finder on every proving ground, write doc/proving_grounds.md"
	@echo "make truth  measure whether every label is true, write doc/truth.md"
	@echo "make clean   remove environment and results"

$(VENV)/.installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test,lint,bench]"
	@touch $@

paper: $(VENV)/.installed
	$(BIN)/python examples/paper/run.py --scale $(SCALE) --output $(OUTPUT)

landscape: $(VENV)/.installed
	$(BIN)/python examples/landscape/run.py --output $(OUTPUT)

nonlinear: $(VENV)/.installed
	$(BIN)/python examples/nonlinear/run.py --scale $(SCALE) --output $(OUTPUT)

certify: $(VENV)/.installed
	$(BIN)/python benchmarks/certify.py --jobs 2

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto

# The same suite, slower: it fails below the coverage that pyproject.toml demands.
coverage: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --cov

# Ten minutes and more on two cores; the seed of the random inputs is 0 unless SEED says otherwise.
test-long: $(VENV)/.installed
	$(BIN)/python benchmarks/robustness.py --workers 2 --seed $(or $(SEED),0)
	SKCRIT_TESTS_PROFILE=long $(BIN)/python -m pytest -n auto -m long tests/finders tests/proving_grounds

test-gpu: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[cupy]"
	$(BIN)/python -m pytest -m gpu

# PyTorch is too large for everybody's environment: only this target installs it, in one
# of its own, and compiles none of its thousands of files that are never imported. It comes
# first, so that no other target that runs beside reads these sources at the same time.
test-torch:
	$(PYTHON) -m venv $(TORCHED)
	$(TORCHED)/$(SCRIPTS)/python -m pip install --quiet --upgrade pip
	$(TORCHED)/$(SCRIPTS)/python -m pip install --quiet --no-compile "$(TORCH)"
	$(TORCHED)/$(SCRIPTS)/python -m pip install --quiet --no-compile --editable ".[test,torch]" "$(TORCH)"
	$(TORCHED)/$(SCRIPTS)/python -m pytest tests/torch skcrit/losses/torch_module.py \
	    "tests/test_documentation.py::test_code_of_page_runs[torch.md]"

# The lower bounds of pyproject.toml, under the newest tools of testing.
test-oldest:
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/$(SCRIPTS)/python -m pip install --quiet --upgrade pip
	$(PYTHON) .ci/oldest.py > $(OLDEST)/oldest.txt
	$(OLDEST)/$(SCRIPTS)/python -m pip install --quiet --constraint $(OLDEST)/oldest.txt --editable ".[test]"
	$(OLDEST)/$(SCRIPTS)/python -m pytest -n auto

# The newest versions of all dependencies, pre-releases included.
test-pre:
	$(PYTHON) -m venv $(PRE)
	$(PRE)/$(SCRIPTS)/python -m pip install --quiet --upgrade pip
	$(PRE)/$(SCRIPTS)/python -m pip install --quiet --upgrade --pre --editable ".[test]"
	$(PRE)/$(SCRIPTS)/python -m pytest -n auto

test-sdist: $(VENV)/.installed
	PYTHON="$(PYTHON)" .ci/test_sdist

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# The examples run while the pages are built. A warning is an error.
doc: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[doc]"
	$(BIN)/python -m sphinx -b html -W --keep-going doc doc/_build/html

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.speed.run --backend $(BACKEND)

bench-large: $(VENV)/.installed
	$(BIN)/python -m benchmarks.speed.run --backend $(BACKEND) --group large
	$(BIN)/python -m benchmarks.speed.run --backend $(BACKEND) --group landscape

many: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dask]"
	$(BIN)/python -m benchmarks.many

bench-defaults: $(VENV)/.installed
	$(BIN)/python benchmarks/newton_mr_small_problems.py
	$(BIN)/python benchmarks/unseen_sets.py
	$(BIN)/python -m benchmarks.starts
	$(BIN)/python benchmarks/saddle_dynamics_sampling.py
	$(BIN)/python benchmarks/saddle_dynamics_crossover.py
	$(BIN)/python benchmarks/newton_mr_defaults.py --scale $(SCALE)

# Ten minutes on two cores.
truth: $(VENV)/.installed
	$(BIN)/python -m benchmarks.truth.run

grounds: $(VENV)/.installed
	$(BIN)/python benchmarks/grounds.py

clean:
	rm -rf $(VENV) $(OLDEST) $(PRE) $(TORCHED) results build dist *.egg-info
	rm -rf doc/_build doc/auto_examples doc/generated doc/sg_execution_times.rst
