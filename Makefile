# The commands of the project. They need Python 3.11 or newer and make; everything else is installed into .venv,
# once: the second time they work offline.

PYTHON ?= python3
ARGS ?=

PIP = .venv/bin/python -m pip --disable-pip-version-check
FROM_LOCK = install --quiet --no-deps --require-hashes --requirement
OURSELVES = install --quiet --no-deps --no-build-isolation --no-index --editable .
UV_LOCK = .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

DOCS ?= 1000
SEED ?= 1

.PHONY: run install test prove chaos check lock

run: .venv/installed
	@.venv/bin/headrace run $(ARGS)

install: .venv/installed

test: .venv/installed .venv/installed-dev .venv-plain/installed
	@.venv-plain/bin/headrace --help > /dev/null
	@.venv/bin/python -m pytest $(ARGS)

# The long proofs: a process killed at each fault point, three minutes of chaos, and whatever else takes long.
prove: .venv/installed .venv/installed-dev .venv-plain/installed
	@.venv/bin/python -m pytest -m proof $(ARGS)
	@.venv/bin/python -m tests.fault_points

# `make chaos DOCS=10000 SEED=7`: documents through real processes while everything is killed at random.
chaos: .venv/installed .venv/installed-dev
	@.venv/bin/python -m tests.chaos --documents $(DOCS) --seed $(SEED) $(ARGS)

check: .venv/installed .venv/installed-dev
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/python -m pytest -q tests/architecture

# `make lock ARGS=--upgrade` takes the newest versions. Both files hold versions and hashes only: where packages come from is each machine's own affair.
lock: .venv/installed .venv/installed-dev
	@echo "Resolving …"
	@$(UV_LOCK) $(ARGS) --output-file requirements.lock pyproject.toml
	@$(UV_LOCK) $(ARGS) --output-file requirements-dev.lock --constraints requirements.lock --extra dev pyproject.toml
	@! grep -n '://' requirements.lock requirements-dev.lock || \
		{ echo "A lock file names a host; see above."; exit 1; }

# An environment is made anew when its lock changes, so that no package of the old one stays behind.
.venv/packages: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "headrace needs Python 3.11 or newer, and $(PYTHON) is not:" \
			"install one and call make with PYTHON=python3.11, say."; exit 1; }
	@echo "Making .venv and installing the packages of requirements.lock (once; about a minute) …"
	@$(PYTHON) -m venv --clear .venv || \
		{ echo "$(PYTHON) cannot make virtual environments: install its venv module (python3-venv on Debian)."; exit 1; }
	@$(PIP) $(FROM_LOCK) requirements.lock
	@.venv/bin/python -c "import cv2; from importlib.metadata import distributions as d; \
		cv = {p.name for p in d() if p.name.startswith('opencv')}; \
		assert len(cv) == 1, f'one OpenCV is wanted, not {cv}'"
	@touch $@

.venv/installed: .venv/packages pyproject.toml
	@$(PIP) $(OURSELVES)
	@touch $@

.venv/installed-dev: .venv/packages requirements-dev.lock
	@echo "Installing the packages for development (once) …"
	@$(PIP) $(FROM_LOCK) requirements-dev.lock
	@touch $@

# What a user has: nothing of the development extras. The help must work there.
# uv is quick; where only pip is told of a mirror, pip does it.
.venv-plain/installed: .venv/installed-dev pyproject.toml
	@echo "Making .venv-plain, without the packages for development (once) …"
	@$(PYTHON) -m venv --clear --without-pip .venv-plain
	@.venv/bin/uv pip $(FROM_LOCK) requirements.lock --python .venv-plain/bin/python 2> /dev/null || \
		$(PIP) --python .venv-plain/bin/python $(FROM_LOCK) requirements.lock
	@$(PIP) --python .venv-plain/bin/python $(OURSELVES)
	@touch $@
