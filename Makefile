# Every target builds .venv when pyproject.toml or constraints.txt are newer than it, once.
# ARGS is handed on: make train ARGS="--quick", make test ARGS="-k simplex".
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CODE := envs agents ensemble runtime training tests benchmarks
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup train demo certify test test-long chaos lint format bench bench-compare docs clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | sort | expand -t 15

setup: $(STAMP)  ## build .venv with everything pinned

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, $(PYTHON) is {v[0]}.{v[1]}")'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(BIN)/python install -q pip; }
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@$(BIN)/python -c 'import lightgbm' || { echo "LightGBM needs the system's OpenMP library (Debian: libgomp1, macOS: libomp)" >&2; exit 2; }
	@touch $@

train: $(STAMP)  ## train and evaluate a sizing agent on the built-in market
	$(BIN)/python training/train_sizing.py $(ARGS)

demo: $(STAMP)  ## train a small policy and watch it trade on the built-in exchange
	OMP_NUM_THREADS=1 $(BIN)/python -m runtime demo $(ARGS)

certify: $(STAMP)  ## play the games with known answers, docs/certificate.md shows them
	OMP_NUM_THREADS=1 $(BIN)/python training/certify.py $(ARGS)

test: $(STAMP)  ## run the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --durations=15 $(ARGS)

test-long: $(STAMP)  ## run the tests that take minutes (bounds checking of the kernel)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long --timeout 1800 $(ARGS)

chaos: $(STAMP)  ## 500 random fault schedules and 200 kills, writes docs/chaos.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --write docs/chaos.md $(ARGS)

lint: $(STAMP)  ## check style, types and import rules
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## rewrite the code in the house format
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(STAMP)  ## run the benchmarks, ARGS="--list" names them
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-compare: $(STAMP)  ## compare with a revision: BASE=main
	@test -n "$(BASE)" || { echo "Which revision? make bench-compare BASE=main" >&2; exit 2; }
	$(BIN)/python benchmarks/compare.py $(BASE) $(ARGS)

docs: $(STAMP)  ## write docs/settings.md and .env.example anew from the code
	$(BIN)/python -m runtime.settings_docs

clean:  ## remove .venv, caches and build results; runs/ and data/ stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
