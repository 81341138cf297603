"""Names of the shipped leaderboard's cells and rows, as this commit calls them, in the place of those of 05e6fd1.

python tests/equal/migrate.py OLD.json    OLD: config_hash -> words of its cell, as 05e6fd1 had them:
    {hash: [*sweep.words, *_words(cell)]} of the cells of ``sweep=shipped`` and ``bench.harness.sweep._hashes``
"""
import gzip, json, shlex, sys
from pathlib import Path
import pandas as pd
from hydra import initialize_config_module
from bench import compat
from bench.artifacts.files import config_hash, write_atomic
from bench.harness.composed import composed
from bench.harness.configuration import describe
from bench.leaderboard.rows import row_id

old = json.loads(Path(sys.argv[1]).read_text())
new = {}
with initialize_config_module("bench.conf", **compat.VERSION):
    for key, words in old.items():
        about = describe(composed(words))
        new[key] = config_hash(about.config), shlex.join(about.overrides)
assert len({name for name, _ in new.values()}) == len(new), "no two cells have one name"
path = Path("leaderboard/leaderboard.csv")
frame = pd.read_csv(path, dtype=str, keep_default_na=False)
before = frame.copy()
assert set(frame["config_hash"]) == set(new)
frame.insert(frame.columns.get_loc("config_hash") + 1, "overrides", frame["config_hash"].map(lambda key: new[key][1]))
frame["config_hash"] = frame["config_hash"].map(lambda key: new[key][0])
typed = frame.assign(seed=frame["seed"].astype(int), triggered=frame["triggered"].map({"True": True, "False": False}))
check = typed.assign(config_hash=before["config_hash"])
assert [row_id(dict(line)) for _, line in check.head(50).iterrows()] == before["row_id"].head(50).tolist()
frame["row_id"] = [row_id(line) for line in typed.to_dict("records")]
assert frame["row_id"].is_unique
rest = [name for name in before if name not in ("row_id", "config_hash")]
assert frame[rest].equals(before[rest]), "nothing else changes"
write_atomic(path, frame.to_csv(index=False).encode())
names = dict(zip(before["row_id"], frame["row_id"]))
print(f"{len(new)} cells, {len(names)} rows; the first: {before['row_id'][0]} is {frame['row_id'][0]}")
from bench.leaderboard.curves import curves_file, read_gathered
file = curves_file(path)
stored = json.loads(gzip.decompress(file.read_bytes()))
text = json.dumps({names[row]: curves for row, curves in stored.items()}, sort_keys=True, separators=(",", ":"))
write_atomic(file, gzip.compress(text.encode(), mtime=0))
print(f"{len(read_gathered(path))} rows have curves")
