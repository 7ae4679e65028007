# Two commands do everything: `make demo` and `make test`.  Each sets up what it needs in .venv first.
# No variable of the calling shell may change what a test sees.
CLEAN := env -i PATH="$$PATH" HOME="$$HOME" LANG="$${LANG:-C.UTF-8}"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all test-lerobot smoke-lerobot lint format docs bench bench-record bench-cameras bench-datasets option-table hardware-table clean

# The main job on frames it makes itself, or on a clip of yours: make demo INPUT=clip.mp4
demo: $(VENV)/.ready-demo
	$(BIN)/ffenc demo --overwrite $(if $(INPUT),--input=$(INPUT))

# This Python, the default FFmpeg build, every test but the nets.
test: $(VENV)/.ready-nox
	@echo "make test takes about 7 minutes on two cores, one of them to set up a fresh clone."
	$(CLEAN) $(BIN)/nox --sessions default

# The nets, then the rest of the matrix: the oldest and the newest Python, and every other FFmpeg build that can be had here
# (noxfile.py).
test-all: test
	@echo "make test-all takes about 35 minutes more."
	$(CLEAN) $(BIN)/nox --sessions nets tests builds

# LeRobot with ffenc in it, on a simulated robot; needs Python 3.12 or 3.13, and installs LeRobot and torch (5 GB).
test-lerobot: $(VENV)/.ready-nox
	@echo "make test-lerobot takes about 3 minutes, and 2 more to install torch once."
	$(CLEAN) $(BIN)/nox --sessions lerobot

# The main part of test-lerobot: record the documented example, delete, split and merge, with PyAV unable to write.
smoke-lerobot: $(VENV)/.ready-nox
	$(CLEAN) $(BIN)/nox --sessions lerobot -- -m smoke

lint: $(VENV)/.ready-nox
	$(CLEAN) $(BIN)/nox --sessions lint

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# The documentation site, into site/.
docs: $(VENV)/.ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: $(VENV)/.ready-bench
	$(BIN)/python benchmarks/encode.py $(ARGS)

bench-record: $(VENV)/.ready-bench
	$(BIN)/python benchmarks/record.py $(ARGS)

bench-cameras: $(VENV)/.ready-bench
	$(BIN)/python benchmarks/cameras.py $(ARGS)

bench-datasets: $(VENV)/.ready-bench
	$(BIN)/python benchmarks/datasets.py $(ARGS)

# What every encoder option does in an FFmpeg: make option-table FFMPEG=/path/to/ffmpeg.  Measures only what is missing.
option-table: $(VENV)/.ready-dev
	$(BIN)/python -m tools.option_table $(if $(FFMPEG),--ffmpeg=$(FFMPEG)) $(ARGS)

# The tables in docs/hardware.md, from the proofs in docs/hardware.
hardware-table: $(VENV)/.ready-dev
	$(BIN)/python -m tools.hardware_table

clean:
	rm -rf $(VENV) .nox .cache demo site

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.ready-demo: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[ffmpeg,dataset]'
	touch $@

$(VENV)/.ready-dev: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[all,dev]'
	touch $@

$(VENV)/.ready-docs: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

$(VENV)/.ready-nox: $(BIN)/python
	$(BIN)/pip install --quiet nox
	touch $@

$(VENV)/.ready-bench: $(BIN)/python pyproject.toml benchmarks/requirements.txt
	$(BIN)/pip install --quiet --editable '.[ffmpeg,ffprobe,dataset,cluster]' --requirement benchmarks/requirements.txt
	touch $@
