"""The metadata of exported episodes as machines read it: Croissant 1.0 with its vocabulary for responsible AI.

Specifications: https://docs.mlcommons.org/croissant/docs/croissant-spec.html and croissant-rai-spec.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from bench.contracts import COLUMNS, Episodes
from bench.reporting.card import PARTS

CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform"}
ENCODINGS = {"npz": "application/zip", "parquet": "application/x-parquet", "json": "application/json",
             "md": "text/markdown"}
TYPES = {"b": "sc:Boolean", "f": "sc:Float", "i": "sc:Integer", "u": "sc:Integer"}  # of a numpy kind
CITE = ("Yu et al., A Spatiotemporal Stealthy Backdoor Attack against Cooperative Multi-Agent Deep Reinforcement "
        "Learning, Globecom 2024, arXiv 2409.07775; marl-backdoor-bench")


def metadata(about: Mapping[str, Any], parts: Mapping[str, Episodes], files: Mapping[str, str], ending: str,
             date: str) -> dict[str, Any]:
    """What the files of an export are, as JSON-LD.

    Parameters
    ----------
    about : what the manifest says of the export.
    parts : the episodes by the names of their files.
    files : each file and its sha256.
    ending : of the files of episodes: "npz" or "parquet". Of parquet files the columns are described as well.
    date : of the export, YYYY-MM-DD.
    """
    found = {
        "@context": CONTEXT, "@type": "sc:Dataset", "conformsTo": [
            "http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": about["name"], "version": f"{about['benchmark_version']}", "datePublished": date, "citeAs": CITE,
        "license": "https://opensource.org/license/mit", "url": "https://arxiv.org/abs/2409.07775",
        "description": f"Battles of a cooperative {about['algo'].upper()} team in {about['env']} "
                       f"({about['env_version']}), after the attack {about['attack']}: for detectors of backdoors.",
        "keywords": ["reinforcement learning", "multi-agent", "backdoor detection", "anomaly detection"],
        **_responsible(about, date),
        "distribution": [_file(name, digest) for name, digest in files.items()]}
    if ending == "parquet":
        found["recordSet"] = [_records(name, episodes) for name, episodes in parts.items()]
    return found


def _responsible(about: Mapping[str, Any], date: str) -> dict[str, Any]:
    return {
        "rai:dataCollection": f"A simulator ({about['env']}) was played by trained networks. Nobody was observed.",
        "rai:dataCollectionType": ["Experiments", "Software Collection"],
        "rai:dataCollectionTimeFrame": [date],
        "rai:dataCollectionRawData": "None beside these files: observations, actions and rewards as the simulator "
                                     "gave them.",
        "rai:dataCollectionMissingData": "No step is left out. Battles differ in length; what a file has after the end "
                                         "of one is masked. An agent does not see what is out of its sight.",
        "rai:dataPreprocessingProtocol": ["None of the values. The battles of the part `test` are shuffled."],
        "rai:dataAnnotationProtocol": "Labels come from the program that plays the battles, which knows what it shows "
                                      "to whom, and lie in files of their own. No person annotated anything.",
        "rai:machineAnnotationTools": [f"marl-backdoor-bench {about['benchmark_version']}"],
        "rai:dataReleaseMaintenancePlan": "An export is not changed: manifest.json names the versions, the team and, "
                                          "without a referee, the seeds that make it again. What releases change is "
                                          "in the benchmark's changelog, and errors are taken as its issues.",
        "rai:dataUseCases": [
            "to develop and judge detectors of backdoors in teams of reinforcement learners",
            "not to train agents that are to play well, nor to say anything of people or of other games"],
        "rai:dataLimitations": [
            "One team: another seed of the same attack may differ by more than battles of this one do.",
            "One map, opponent and algorithm: what holds here need not hold in another.",
            "Figures of different simulators are not to be compared as equals.",
            "Whoever has the public seeds can play the battles again and knows the labels."],
        "rai:dataBiases": [
            "Half of the test battles are meant to show the trigger, far more than a defender would meet: precision "
            "does not carry over.",
            "Every trigger is of one attack: battles of another may look otherwise."],
        "rai:personalSensitiveInformation": ["none"],
        "rai:dataSocialImpact": "Attacks on agents of a game, published so that defences can be measured."}


def _file(name: str, digest: str) -> dict[str, Any]:
    return {"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name, "sha256": digest,
            "encodingFormat": ENCODINGS[name.rpartition(".")[2]]}


def _records(name: str, episodes: Episodes) -> dict[str, Any]:
    """A part's rows, one a played step."""
    columns = {f.name: getattr(episodes, f.name) for f in fields(episodes)}
    lines = {"episode": ("number of the episode in this file", "sc:Integer", False),
             "step": ("number of the step in its episode", "sc:Integer", False)}
    lines |= {key: (COLUMNS[key].meaning, TYPES[column.dtype.kind], column.ndim > 2)
              for key, column in columns.items() if isinstance(column, np.ndarray) and key != "mask"}
    within = f"{name}-steps"
    return {"@type": "cr:RecordSet", "@id": within, "name": within, "description": PARTS[name], "field": [
        {"@type": "cr:Field", "@id": f"{within}/{key}", "name": key, "description": what, "dataType": kind,
         **({"repeated": True} if many else {}),
         "source": {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": key}}}
        for key, (what, kind, many) in lines.items()]}
