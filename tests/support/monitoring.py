"""Reads the text of /metrics with Prometheus' own parser.

    python monitoring.py samples METRICS                  ->  its samples, JSON
    python monitoring.py judge ALERTS DASHBOARD METRICS...  ->  how many figures they ask for

Fails when a text is no Prometheus text, when a name does not begin with
callbox_, or when alerts or dashboard ask for a figure that is in none of them.
"""

import json
import re
import sys

import yaml
from prometheus_client.parser import text_string_to_metric_families

METRIC = re.compile(r"\bcallbox_[a-z0-9_]+")
ENDS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def families(file):
    for family in text_string_to_metric_families(open(file).read()):
        assert family.name.startswith("callbox_"), family.name
        assert family.documentation and family.type in ENDS, family
        yield family


def samples(file):
    return [
        {"name": sample.name, "labels": sample.labels, "value": repr(sample.value)}
        for family in families(file)
        for sample in family.samples
    ]


def judge(alerts, dashboard, *files):
    known = {family.name + end for file in files for family in families(file) for end in ENDS[family.type]}
    asked = {}
    for group in yaml.safe_load(open(alerts))["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("critical", "warning"), rule
            asked[rule["alert"]] = rule["expr"]
    panels = json.load(open(dashboard))["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids) > 5, ids
    for panel in panels:
        for target in panel["targets"]:
            asked[f"{panel['title']} {target['refId']}"] = target["expr"]
    for who, expression in asked.items():
        names = set(METRIC.findall(expression))
        assert names or expression.startswith("up{"), f"{who} asks for nothing: {expression}"
        assert names <= known, f"{who} asks for {sorted(names - known)}"
    return len(asked)


print(json.dumps({"samples": samples, "judge": judge}[sys.argv[1]](*sys.argv[2:])))
