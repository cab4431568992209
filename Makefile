# The two commands of a newcomer: `make demo` and `make test`. Needs Python >= 3.11 (with venv) and make, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help install demo test check lint types contracts docs docs-check bench install-bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## make .venv with the pinned dependencies

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 " )'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## the main job, end to end, on the embedded database (about a minute)
	$(BIN)/hikitsugi demo $(DEMO_ARGS)

# It waits more than it computes, so three processes are right for two cores. A file is not divided: its tests share a database.
# In the order of folders: files with few, long tests would come last, and two processes would wait for the third.
PYTEST_ARGS ?= -n 3 --dist loadfile --no-loadscope-reorder

test: install ## the whole test suite
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy
	MYPYPATH=docs $(BIN)/mypy --strict docs/generate.py

contracts: install
	$(BIN)/lint-imports

docs: install ## write the generated reference pages
	$(BIN)/python docs/generate.py

docs-check: install
	$(BIN)/python docs/generate.py --check

check: lint types contracts docs-check test ## everything CI asks for

install-bench: install ## the peers that benchmarks/ measures against
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt

bench: install-bench ## every benchmark, quick form
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(BIN)/python $$b --quick || exit 1; done

lock: ## renew the pinned versions (needs uv)
	uv pip compile pyproject.toml --extra s3 --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -o requirements/dev.txt
	uv pip compile pyproject.toml --extra s3 --group dev --group bench --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements/dev.txt -o requirements/bench.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements/dev.txt -o requirements/run.txt
	uv pip compile pyproject.toml --extra s3 --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements/dev.txt -o requirements/run-s3.txt

clean: ## remove what make made
	rm -rf $(VENV) build *.egg-info
