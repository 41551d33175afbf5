# make demo   the app on http://127.0.0.1:7860        make bench   ratios against bare PyTorch and bare Gradio
# make test   all tests                               make lint    ruff and mypy
# make lock   requirements.lock from the ranges       make clean   remove .venv and caches
#
# Each makes .venv and installs the locked requirements first, unless that was done. PYTHON=... chooses the
# interpreter, PORT=... the app's port, JOBS=... how many tests run at once, ARGS=... goes to the program that is
# run. GNU make 3.81 is enough.

PORT ?= 7860
JOBS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
LOCKED := -c requirements.lock

# pip must not look outside .venv, whatever the shell around it has set.
unexport PYTHONPATH
unexport PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test bench lint lock clean

demo: $(VENV)/.demo
	$(BIN)/python app.py --host 127.0.0.1 --port $(PORT) $(ARGS)

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(VENV)/.dev
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	  --no-emit-index-url --annotation-style line --custom-compile-command "make lock" \
	  $(ARGS) requirements-dev.txt -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo: $(VENV)/.made requirements.txt requirements.lock
	$(BIN)/python -m pip install -r requirements.txt $(LOCKED)
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements.txt requirements-dev.txt requirements-train.txt requirements-export.txt requirements.lock
	$(BIN)/python -m pip install -r requirements-dev.txt $(LOCKED)
	@touch $@

# A half-made environment (Debian without python3-venv leaves one) is removed, so that the next call starts clean.
$(VENV)/.made:
	@found=; candidates="$(PYTHON)"; \
	for python in $${candidates:-python3 python3.13 python3.12 python3.11 python3.14}; do \
	  if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then \
	    found=$$python; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.11 to 3.14 was found. Install one (Debian: apt install python3 python3-venv; macOS:" >&2; \
	  echo "brew install python@3.13, or python.org), or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version) ($$found)"; \
	if ! "$$found" -m venv $(VENV); then \
	  rm -rf $(VENV); \
	  echo "$$found cannot make environments. On Debian: apt install python3-venv, then repeat." >&2; \
	  exit 1; \
	fi; \
	touch $@
