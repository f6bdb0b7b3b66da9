# One command each; `make help` lists them. Linux, Python 3.11 to 3.13.
# The variables below are read from the command line only, not from the environment.

DATA   :=
BALL   :=
SCALE  := auto
PRESET := sample
CORES  := $(shell nproc)
PYTHON :=
UPGRADE :=

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Passed through the environment, so that no character of a folder's name is read by a shell.
export DATA BALL SCALE PRESET CORES PYTHON
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE := 1

VENV := .venv
PY   := $(VENV)/bin/python
RUN  := env PATH="$(CURDIR)/$(VENV)/bin:$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)"
# Ends the whole process group of a command when make is interrupted or killed.
GROUP := bash workflow/group.sh

# --- the environment ---------------------------------------------------------------------
# The stamps hold what the environment was made from (of the lock all but its comments). A
# stamp is written last, so that a half-built environment never counts; the folder is part
# of it, because an environment cannot be moved or copied.
LOCK_SHA    := $(shell { pwd; sed '/^ *\#/d' requirements.lock; } | sha256sum | cut -d' ' -f1)
PROJECT_SHA := $(shell { echo $(LOCK_SHA); cat pyproject.toml; } | sha256sum | cut -d' ' -f1)
LOCK_STAMP    := $(VENV)/.lock-sha
PROJECT_STAMP := $(VENV)/.project-sha
LOCKED_EXTRAS := training book batch development

ifneq ($(LOCK_SHA),$(shell $(PY) -c 'print(open("$(LOCK_STAMP)").read().strip())' 2>/dev/null))
$(LOCK_STAMP): FORCE
endif
ifneq ($(PROJECT_SHA),$(shell cat $(PROJECT_STAMP) 2>/dev/null))
$(PROJECT_STAMP): FORCE
endif

$(LOCK_STAMP):
	@mkdir -p _build
	exec 9>_build/.venv.lock
	flock -n 9 || { echo 'Another make is building $(VENV); waiting for it.'; flock 9; }
	if [ "$$(cat $(LOCK_STAMP) 2>/dev/null)" = $(LOCK_SHA) ] && $(PY) -c '' 2>/dev/null; then exit 0; fi
	suits() {
	    "$$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
	}
	python=
	for candidate in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do
	    if suits "$$candidate"; then python=$$candidate; break; fi
	done
	if [ -z "$$python" ]; then
	    echo "error: no Python 3.11, 3.12 or 3.13 with the venv module (tried $${PYTHON:-python3, python3.13, python3.12, python3.11})." >&2
	    echo '  remedy: on Debian or Ubuntu `apt install python3 python3-venv`, or name one: `make PYTHON=/path/to/python3.12 ...`.' >&2
	    exit 1
	fi
	echo "Building $(VENV) with $$("$$python" --version) from requirements.lock (about 2 GB, once; minutes)."
	rm -f $(LOCK_STAMP) $(PROJECT_STAMP)
	"$$python" -m venv --clear $(VENV)
	if ! $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; then
	    echo 'error: the packages of requirements.lock could not be installed (see above).' >&2
	    echo '  remedy: check the network and the free disk space, then run the same command again.' >&2
	    exit 1
	fi
	echo $(LOCK_SHA) > $(LOCK_STAMP)

# The lock holds the build backend, so nothing is fetched here.
$(PROJECT_STAMP): $(LOCK_STAMP)
	@mkdir -p _build
	exec 9>_build/.venv.lock
	flock 9
	rm -f $(PROJECT_STAMP)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	echo $(PROJECT_SHA) > $(PROJECT_STAMP)

.PHONY: FORCE venv
FORCE:

venv: $(PROJECT_STAMP)  ## build .venv from requirements.lock, if that changed

# --- the book ----------------------------------------------------------------------------
.PHONY: book render results notebooks lab
book: render  ## run every notebook and render the book [DATA=folder] [PRESET=sample] [CORES=n]
	@echo 'The book: _build/site/_build/html/index.html'

render: venv
	@data=
	if [ -n "$$DATA" ]; then
	    if [ ! -d "$$DATA" ]; then
	        echo "error: DATA is not a folder: $$DATA" >&2
	        echo '  remedy: give the folder that holds the data set, e.g. `make book DATA=../C-NMC_Leukemia`.' >&2
	        exit 1
	    fi
	    data=$$(realpath -- "$$DATA")
	fi
	mkdir -p _build
	exec 9>_build/.book.lock
	# An interrupted one may take some seconds to end.
	if ! flock -w 15 9; then
	    echo 'error: another `make book` is running in this folder.' >&2
	    echo '  remedy: wait for it, or end it, and run the same command again.' >&2
	    exit 1
	fi
	# This lock falls with its process, which Snakemake's own does not after a kill: --nolock.
	# Values are YAML to Snakemake; quoted, every name stays the text that it is. It strips
	# quotes at the ends before that, but not beyond a space.
	quoted() { printf " '%s' " "$${1//\'/\'\'}"; }
	exec $(RUN) $(GROUP) snakemake -s workflow/Snakefile --profile workflow/profiles/local \
	    --cores "$$CORES" --nolock \
	    --config preset="$$(quoted "$$PRESET")" data="$$(quoted "$$data")"

results: venv  ## train and record what the grid of results lacks [DATA=folder] [BALL=folder] [SCALE=cpu]
	@config=(scale="$${SCALE:-auto}")
	[ -z "$$DATA" ] || config+=(cnmc2019="$$(realpath -- "$$DATA")")
	[ -z "$$BALL" ] || config+=(ball2021="$$(realpath -- "$$BALL")")
	mkdir -p _build
	exec 9>_build/.results.lock
	if ! flock -w 15 9; then
	    echo 'error: another `make results` is running in this folder.' >&2
	    exit 1
	fi
	exec $(RUN) $(GROUP) snakemake -s workflow/results.smk --profile workflow/profiles/local \
	    --cores "$$CORES" --nolock --config "$${config[@]}"

notebooks: venv  ## write the .ipynb twin of every notebook
	@exec $(RUN) alllib notebooks

lab: venv  ## open the notebooks in JupyterLab
	@exec $(RUN) jupyter lab notebooks

# --- checks ------------------------------------------------------------------------------
# Two workers, not one per core: a worker that loads TensorFlow takes 1 GB and more.
PYTEST := $(RUN) python -m pytest -n 2

.PHONY: test test-slow test-all lint bench
test: venv  ## run the tests, without the slow ones
	@exec $(PYTEST) -m 'not slow'

test-slow: venv  ## run only the slow tests
	@exec $(PYTEST) -m slow

test-all: venv  ## run all tests
	@exec $(PYTEST)

lint: venv  ## check the code's style, and spelling
	@$(RUN) ruff check
	$(RUN) codespell

bench: venv  ## measure the speed figures
	@exec $(RUN) alllib bench

# --- upkeep ------------------------------------------------------------------------------
.PHONY: lock clean help
lock: venv  ## resolve pyproject.toml anew into requirements.lock [UPGRADE=1]
	@[ -n "$(UPGRADE)" ] || cp requirements.lock _build/requirements.lock
	[ -z "$(UPGRADE)" ] || rm -f _build/requirements.lock
	$(VENV)/bin/uv pip compile pyproject.toml $(addprefix --extra ,$(LOCKED_EXTRAS)) \
	    --universal --python-version 3.11 --fork-strategy fewest --prerelease disallow \
	    --generate-hashes --no-header --quiet --output-file _build/requirements.lock >/dev/null
	{
	    echo '# Exact versions and hashes for Linux and Python 3.11 to 3.13; written by `make lock`.'
	    cat _build/requirements.lock
	} > _build/requirements.lock.new
	mv _build/requirements.lock.new requirements.lock

clean:  ## delete _build; keeps .venv and runs
	@rm -rf _build .snakemake
	echo 'Deleted _build. Kept runs (records of trainings) and .venv; delete them by hand if you mean to.'

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
