# Two commands matter: `make demo` and `make test`. Both set everything up themselves, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORDNET := $(VENV)/.wordnet

.PHONY: demo test lint types wheel wordnet clean

demo: $(READY) $(WORDNET)
	$(BIN)/promptdsl demo

test: $(READY) $(WORDNET)
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

# WordNet, once. Where it cannot be had, the rest works without: only label words from WordNet and their tests do not.
$(WORDNET): $(READY)
	@$(BIN)/promptdsl wordnet && touch $@ || echo "Going on without WordNet; make wordnet tries again."

# The same, and an error where it cannot be had.
wordnet: $(READY)
	$(BIN)/promptdsl wordnet
	touch $(WORDNET)

clean:
	rm -rf build dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
