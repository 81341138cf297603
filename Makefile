# Each goal sets up .venv by itself; Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.installed
SITE := .venv/.docs
export PYTHONDONTWRITEBYTECODE =# what is compiled is kept, wherever this is set: else each start of Python compiles it all again

.PHONY: run test test-all lint docs smac dist zoo stealth leaderboard screenshot table1 departures frontier figures clean

run: $(SETUP)  ## the main job: the spatiotemporal backdoor against an isolation forest, with the shipped teams
	$(BIN)/python -m bench run attack=spatiotemporal detector=isoforest

test: $(SETUP)  ## the tests but for those marked slow: minutes
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-all: $(SETUP)  ## every test, the README's commands among them: what CI runs
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m ''

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(SITE)  ## the documentation as a site, build/site/index.html; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

smac: $(SETUP)  ## oxwhirl/smac, for the tests of env=smac that play it as it stands on a double of the game
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		git+https://github.com/oxwhirl/smac@d6aab33f76abc3849c50463a8592a84f59a5ef84

dist: $(SETUP)  ## dist/: the sdist, and the wheel that is made of it, below 60 MB
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	test -z "$$(find dist -size +60000000c)" || { echo "too large to be downloaded: see dist/"; exit 1; }

zoo: $(SETUP)  ## make the shipped checkpoints anew (hours), a process a core; goes on where it was
	$(BIN)/python -m bench zoo build shipped=false out=results/zoo
	$(BIN)/python -m bench zoo publish shipped=false out=results/zoo

stealth: $(SETUP)  ## leaderboard/stealth.csv: what each shipped team gives away without the trigger (hours); goes on where it was
	$(BIN)/python -m bench stealth zoo out=results/stealth leaderboard=leaderboard/leaderboard.csv

leaderboard: $(SETUP)  ## what leaderboard/leaderboard.csv lacks of the shipped checkpoints (FRESH=1: all), its page and the tables of the docs
	$(if $(FRESH),rm -f leaderboard/leaderboard.csv)
	$(BIN)/python -m bench leaderboard
	$(BIN)/python -m bench.leaderboard.schema
	$(BIN)/python -m bench.reporting.markdown
	$(BIN)/python -m bench.reporting.page
	$(BIN)/python -m bench.reporting.attack_pages
	$(BIN)/python -m bench.reporting.detector_pages

screenshot: $(SETUP)  ## leaderboard/battle.png, the README's picture of a battle; needs Chromium
	$(BIN)/python -m bench.reporting.screenshot

# Sweeps whose cells train a team each (hours): what is in leaderboard/NAME/runs is finished and only read.
table1 departures frontier: $(SETUP)  ## make leaderboard/NAME anew: the paper's Table I, what departures are worth, stealth's price
	mkdir -p results/$@ leaderboard/$@/runs
	cp -R leaderboard/$@/runs results/$@/
	$(BIN)/python -m bench sweep sweep=$@ out=results/$@
	cp -R results/$@/runs results/$@/sweeps/$@.* leaderboard/$@/

figures: $(SETUP)  ## draw leaderboard/figures anew from the shipped checkpoints
	for algo in vdn qmix; do $(BIN)/python -m bench figures algo=$$algo out=leaderboard || exit 1; done

$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=...") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps pysc2==4.0.0
	touch $@

$(SITE): $(SETUP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
