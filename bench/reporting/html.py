"""The templates of pages: one look, and how figures are written in them."""

from __future__ import annotations

import base64
import gzip
import json
from functools import partial
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, Template

FORMS = {"number": "{:.2f}", "percent": "{:.1%}", "steps": "{:z.0f}"}


def template(name: str) -> Template:
    """A file of ``templates``; it may write a figure as ``|number``, ``|percent`` or ``|steps``, "-" where there is
    none, and a list of texts as ``|packed``: their JSON, by gzip, in base 64."""
    environment = Environment(loader=PackageLoader("bench.reporting"), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True)
    environment.filters |= {name: partial(_shown, form=form) for name, form in FORMS.items()} | {"packed": _packed}
    return environment.get_template(name)


def _shown(value: Any, form: str) -> str:
    return "-" if value is None or pd.isna(value) else form.format(value)


def _packed(texts: list[str]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(texts).encode(), mtime=0)).decode()
