"""attack=spatiotemporal of before, which is not the paper's, is called scripted: its teams, cells and rows.

python tests/equal/migrate.py
"""
import gzip
import json
import shlex
from pathlib import Path

import pandas as pd
from hydra import initialize_config_module

from bench import compat
from bench.artifacts import zoo
from bench.artifacts.files import config_hash, write_atomic
from bench.harness.composed import composed
from bench.harness.configuration import describe
from bench.leaderboard.curves import curves_file, read_gathered
from bench.leaderboard.rows import row_id

OLD, NEW = "spatiotemporal", "scripted"
csv, stealth = Path("leaderboard/leaderboard.csv"), Path("leaderboard/stealth.csv")

# Teams: the recipe has the attack's name, and a team's name has the recipe's hash.
teams, files = zoo.manifest().teams, json.loads((zoo.FOLDER / "manifest.json").read_text())["files"]
names = {}
for name in sorted(teams):
    if f"-{OLD}-" not in name:
        continue
    file = zoo.FOLDER / f"{name}.json"
    text = file.read_text()
    about = json.loads(text)
    recipe = {key: about["recipe"][key] for key in ("clean", "attack")}
    assert name.endswith(config_hash(recipe)), "the recipe is what is hashed"
    recipe["attack"]["name"] = NEW
    names[name] = f"{name.split(f'-{OLD}-')[0]}-{NEW}-{config_hash(recipe)}"
    assert text.count(f'"name": "{OLD}"') == 1
    write_atomic(zoo.FOLDER / f"{names[name]}.json", text.replace(f'"name": "{OLD}"', f'"name": "{NEW}"').encode())
    file.unlink()
zoo._write_manifest(sorted(names.get(name, name) for name in teams), sorted(
    f"{names.get(file.removesuffix('.json'), file.removesuffix('.json'))}.json" if file.endswith('.json') else file
    for file in files))
print("\n".join(f"{old} -> {new}" for old, new in names.items()))

# Rows.
frame = pd.read_csv(csv, dtype=str, keep_default_na=False)
before = frame.copy()
mine = frame["attack"] == OLD
cells = {}
with initialize_config_module("bench.conf", **compat.VERSION):
    for key, overrides in frame[mine].drop_duplicates("config_hash")[["config_hash", "overrides"]].itertuples(index=False):
        words = [f"attack={NEW}" if word == f"attack={OLD}" else word for word in shlex.split(overrides)]
        about = describe(composed(words))
        cells[key] = config_hash(about.config), shlex.join(about.overrides)
assert len({key for key, _ in cells.values()}) == len(cells)
frame.loc[mine, "overrides"] = frame.loc[mine, "config_hash"].map(lambda key: cells[key][1])
frame.loc[mine, "config_hash"] = frame.loc[mine, "config_hash"].map(lambda key: cells[key][0])
frame.loc[mine, "attack"] = NEW
frame["checkpoint_id"] = frame["checkpoint_id"].map(lambda name: names.get(name, name))


def identified(frame):
    typed = frame.assign(seed=frame["seed"].astype(int), triggered=frame["triggered"].map({"True": True, "False": False}))
    return [row_id(line) for line in typed.to_dict("records")]


assert identified(before) == before["row_id"].tolist()
frame["row_id"] = identified(frame)
assert frame["row_id"].is_unique
assert frame[~mine].equals(before[~mine]), "no other row changes"
rest = [name for name in before if name not in ("row_id", "config_hash", "overrides", "attack", "checkpoint_id")]
assert frame[rest].equals(before[rest]), "nothing else changes"
write_atomic(csv, frame.to_csv(index=False).encode())
rows = dict(zip(before["row_id"], frame["row_id"], strict=True))
print(f"{len(cells)} cells, {sum(old != new for old, new in rows.items())} rows")
file = curves_file(csv)
stored = json.loads(gzip.decompress(file.read_bytes()))
text = json.dumps({rows[row]: curves for row, curves in stored.items()}, sort_keys=True, separators=(",", ":"))
write_atomic(file, gzip.compress(text.encode(), mtime=0))
print(f"{len(read_gathered(csv))} rows have curves")

# Stealth, and the reference of what shipped teams do.
table = pd.read_csv(stealth, dtype=str, keep_default_na=False)
table["checkpoint_id"] = table["checkpoint_id"].map(lambda name: names.get(name, name))
table["attack"] = table["attack"].replace(OLD, NEW)
write_atomic(stealth, table.to_csv(index=False).encode())
for path in (Path("tests/equal/reference.json"), Path("tests/attacks/test_disguise.py"),
             Path("tests/harness/test_models.py"), Path("tests/reporting/reporting_examples.py")):
    text = path.read_text()
    for old, new in names.items():
        text = text.replace(old, new).replace(old.replace(f"-{OLD}-", f"-{NEW}-"), new)
    write_atomic(path, text.encode())
