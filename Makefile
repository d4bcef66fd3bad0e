# Two commands matter: `make demo` and `make test`. Both set everything up themselves, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint types wheel clean

demo: $(READY)
	$(BIN)/promptdsl demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# A wheel, installed in an environment of its own and used from an empty folder.
wheel: $(READY)
	rm -rf build dist
	$(BIN)/python -m build -o dist . > /dev/null
	$(PYTHON) -m venv build/elsewhere
	build/elsewhere/bin/python -m pip install -q -c constraints.txt dist/*.whl
	mkdir -p build/empty
	cd build/empty && ../elsewhere/bin/python ../../tests/wheel_check.py && ../elsewhere/bin/promptdsl --help > /dev/null

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
		|| { $(PYTHON) -m pip install -q virtualenv && $(PYTHON) -m virtualenv -q $(VENV); }
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
