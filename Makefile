# `make run` serves Olympus and `make test` passes the tests; each first sets up what it needs from python3 alone.
# PORT or HTTP_PORT chooses the port: `make run PORT=9000`. ARGS goes to pytest and to the checks: `make test ARGS=-x`.

UV_VERSION := 0.13.8
TOOLS := .tools/uv-$(UV_VERSION)
PYTHON := .venv/bin/python
LATEST := $$(.tools/bin/uv python find --system '>=3.12')
DECLARED := pyproject.toml olympus/pyproject.toml
ARGS :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-3.12 chaos check format bench bench-http bench-live bench-jobs bench-auth tree docs lock moved

help: ## Say what there is to make.
	@sed -n 's/^\([a-z][a-z0-9.-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name text; do printf 'make %-12s %s\n' "$$name" "$$text"; done

run: .venv/.ready ## Serve Olympus on http://localhost:8080, everything embedded under var/.
	@SESSION_COOKIE_SECURE=$${SESSION_COOKIE_SECURE:-false} exec .venv/bin/olympus serve

# Tests of one file stay together: they share the engines that the file starts. Many wait, so two cores run four at once;
# in the order in which they stand, so that the slow ones, of which a file has few, do not all come last.
PARALLEL := -n $(shell python3 -c 'import os; print(max(4, len(getattr(os, "sched_getaffinity", range)(0)) or os.cpu_count()))') --dist loadfile --no-loadscope-reorder

test: .venv/.ready ## Pass the tests; with CI=true also measure their branch coverage.
ifeq ($(CI),true)
	@.venv/bin/coverage erase
	@.venv/bin/coverage run -m pytest $(PARALLEL) $(ARGS)
	@.venv/bin/coverage combine --quiet
	@.venv/bin/coverage report
else
	@.venv/bin/pytest $(PARALLEL) $(ARGS)
endif

test-3.12: .venv-3.12/.ready ## Pass the tests on the oldest Python that works.
	@.venv-3.12/bin/pytest $(PARALLEL) $(ARGS)

chaos: .venv/.ready ## Kill workers and the store at random for ten minutes; ARGS="--minutes 1 --seed 7" for less.
	@$(PYTHON) -m tests.faults.chaos $(ARGS)

check: .venv/.ready ## Run every check that is not a test: format, lint, types, layers, sizes, names, pages, locks.
	@$(PYTHON) -m scripts.check $(ARGS)

format: .venv/.ready ## Format the code and mend what ruff can mend by itself.
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format --quiet

bench: bench-http bench-live bench-jobs bench-auth ## Measure what calls, sockets, jobs and identity cost.

bench-http: .venv-bench/.ready ## Measure HTTP beside other frameworks in one interleaved run.
	@.venv-bench/bin/python -m bench.http $(ARGS)

bench-live: .venv-bench/.ready ## Measure sockets beside other frameworks in one interleaved run.
	@.venv-bench/bin/python -m bench.live $(ARGS)

bench-jobs: .venv-bench/.ready .venv-bench-jobs/.ready ## Measure jobs beside other queues on the same store.
	@.venv-bench/bin/python -m bench.jobs $(ARGS)

bench-auth: .venv-bench/.ready ## Measure what sessions, tokens, limits and a flood of sign-ins cost.
	@.venv-bench/bin/python -m bench.auth $(ARGS)

tree: .venv/.ready ## Print the tree, one line for what each part is for.
	@$(PYTHON) -m scripts.tree

docs: .venv/.ready ## Write the generated pages under docs/.
	@$(PYTHON) -m scripts.docs

lock: $(TOOLS) ## Lock what pyproject.toml declares; keeps the versions there are, `make lock ARGS=--upgrade` renews them.
	@"$(LATEST)" -m scripts.lock $(ARGS)

# The stamps. A later run finds them newer than what they were made from, and does nothing.

$(TOOLS):
	@scripts/bootstrap tools $(UV_VERSION)

.venv/.ready: $(TOOLS) locked.txt $(DECLARED)
	@scripts/bootstrap environment .venv newest locked.txt . olympus

.venv-3.12/.ready: $(TOOLS) locked.txt $(DECLARED)
	@scripts/bootstrap environment .venv-3.12 3.12 locked.txt . olympus

.venv-bench/.ready: $(TOOLS) bench/locked.txt bench/pyproject.toml pyproject.toml
	@scripts/bootstrap environment .venv-bench newest bench/locked.txt .

.venv-bench-jobs/.ready: $(TOOLS) bench/jobs/locked.txt bench/jobs/pyproject.toml
	@scripts/bootstrap environment .venv-bench-jobs newest bench/jobs/locked.txt

# An environment knows its own path: one that was moved or copied along with the folder is made again.
MADE_IN := $(shell cat .tools/.made-in 2>/dev/null)
ifneq ($(MADE_IN),$(CURDIR))
$(TOOLS): moved
endif
