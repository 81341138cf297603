"""Small changes to files of each kind, drawn from a seeded generator."""

from __future__ import annotations

import copy
import csv
import io
import json
import struct
import warnings
import zipfile
from random import Random
from typing import Any

ODD: list[Any] = [None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**400), 0.5, -0.5, 1e308, -1e308, float("nan"),
                  float("inf"), "", "0", "nan", "1e999", "\0", "\ud800", "../../x", "{}", "ünï 💥", "x" * 5_000, [], {},
                  [[]], [None], {"a": 1}, [0] * 50]
CELLS = ["", "nan", "inf", "-1", "2", "1e999", "9" * 40, "x", "True", '"', "a,b", "\n", "\0", "é", "None", "[]",
         "=1+1", "x" * 500]
WORDS = ["", "=", "==", "a=", "=b", "~", "~attack", "+", "++x=1", "[", "{", "'", '"', "${", "${oc.env:HOME}",
         "${seed}", "\\",
         "attack=\0", "seed=1e999", "seed=[1,2]", "seed={a:1}", "seed=9" + "9" * 50, "algo@x=vdn", "/env=smax", "--",
         "--cfg",
         "-c", "--foo", "-m", "-x", "--config-dir=/dev/zero", "attack=../attack/none", "env.map=\ud800", "x" * 3_000,
         "[" * 200, "budget.test_battles=${budget.fit_battles}", "attack.trigger.psi=1", "detector._target_=1",
         "hydra=x",
         "hydra.run.dir=/proc/x", "out=\0", "out=[]", "only={}", "view=null", "seed=1,2", "seed=range(3)",
         "seed=glob(*)"]


def spoilt_bytes(data: bytes, rng: Random) -> bytes:
    """Flipped bits, cut off, spliced, overwritten, doubled."""
    out = bytearray(data)
    at = rng.randrange(len(out) + 1)
    to = min(len(out), at + rng.choice([1, 2, 8, 64, 1_000]))
    match rng.randrange(7):
        case 0:
            for _ in range(rng.choice([1, 1, 2, 8])):
                if out:
                    out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        case 1:
            del out[at:]
        case 2:
            del out[at:to]
        case 3:
            out[at:to] = rng.randbytes(to - at)
        case 4:
            start = rng.randrange(len(out) + 1)
            out[at:at] = out[start:start + 200]
        case 5:
            out[at:to] = bytes(to - at)
        case _:
            out[at:at] = rng.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"[" * 5_000, b'{"a":' * 500, b"\0", b"NaN",
                                     b"1e999", b","])
    return bytes(out)


def spoilt_json(value: Any, rng: Random) -> str:
    """A value replaced, taken away or named twice somewhere in JSON."""
    value = copy.deepcopy(value)
    holder, node = None, value
    while isinstance(node, dict | list) and node and rng.random() < 0.85:
        key = rng.choice([*node]) if isinstance(node, dict) else rng.randrange(len(node))
        holder, node = (node, key), node[key]
    if holder is None:
        return json.dumps(rng.choice(ODD))
    parent, key = holder
    match rng.randrange(6):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[f"{key}x"] = parent.pop(key)
        case 2:
            deep: Any = 0
            for _ in range(rng.choice([20, 100, 500])):
                deep = [deep]
            parent[key] = deep
        case 3 if isinstance(parent, dict):
            parent["TWICE"] = node
            return json.dumps(value).replace('"TWICE"', json.dumps(str(key)))
        case _:
            parent[key] = rng.choice(ODD)
    return json.dumps(value)


def spoilt_csv(text: str, rng: Random) -> str:
    """Cells, lines and the header of a table changed."""
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(rng.choice([1, 1, 3])):
        row = rng.choice([*rows, rows[0]])
        column = rng.randrange(len(row)) if row else 0
        match rng.randrange(6):
            case 0:
                row[column:column + 1] = []
            case 1:
                row.insert(column, rng.choice(CELLS))
            case 2:
                rows.append(rng.choice(rows)[:])
            case _:
                if row:
                    row[column] = rng.choice([*CELLS, rng.choice(rng.choice(rows) or [""])])
    out = io.StringIO()
    csv.writer(out, lineterminator=rng.choice(["\n", "\r\n"])).writerows(rows)
    return out.getvalue()


def spoilt_npz(data: bytes, rng: Random) -> bytes:
    """An archive whose arrays say other shapes and types of themselves than they have, or are packed otherwise."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", rng.choice([8, 0, 12])) as new:
        hit = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == hit:
                length = struct.unpack("<H", content[8:10])[0]
                header, body = content[10:10 + length].decode(), content[10 + length:]
                old_part, new_part = rng.choice([("(", "(-"), ("(", "(99999999999, "), ("(", "(True, "),
                                                 ("'descr': '", "'descr': '|O"),
                                                 ("<f", ">f"), ("|b1", "<f8"), ("False", "True"), ("{", "{" * 300),
                                                 ("}", ""), ("'", '"'),
                                                 ("'shape'", "'sh'"), (",", "("), ("f2", "U99999"), ("b1", "V1"),
                                                 ("f4", "i4")])
                header = header.replace(old_part, new_part, 1)
                content = content[:8] + struct.pack("<H", len(header)) + header.encode() + body
                name = rng.choice([name, name, name, "x.npy", "../x.npy", "reward.npy"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of two parts of one name
                new.writestr(name, content)
    return out.getvalue()


def spoilt_header(data: bytes, rng: Random) -> bytes:
    """A safetensors file with another JSON header."""
    length = struct.unpack("<Q", data[:8])[0]
    header = spoilt_json(json.loads(data[8:8 + length]), rng).encode()
    return struct.pack("<Q", rng.choice([len(header)] * 5 + [2**40])) + header + data[8 + length:]


def spoilt_text(text: str, rng: Random, pieces: list[str]) -> str:
    """Text with pieces put in, taken out and doubled."""
    for _ in range(rng.choice([1, 2, 5])):
        at, to = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        text = rng.choice([text[:at] + rng.choice(pieces) + text[at:], text[:at] + text[to:], text[:to] + text[at:]])
    return text[:20_000]
