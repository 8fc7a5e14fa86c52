"""Reads the text of /metrics with Prometheus' own parser and holds the example
alerts and the dashboard to it.

    python monitoring.py METRICS ALERTS DASHBOARD  ->  a JSON object of samples

Fails when the text is no Prometheus text, when a name does not begin with
callbox_, or when alerts or dashboard ask for a figure that is not there.
"""

import json
import re
import sys

import yaml
from prometheus_client.parser import text_string_to_metric_families

METRIC = re.compile(r"\bcallbox_[a-z0-9_]+")


def main(metrics, alerts, dashboard):
    families = list(text_string_to_metric_families(open(metrics).read()))
    known, samples = set(), []
    for family in families:
        assert family.name.startswith("callbox_"), family.name
        assert family.documentation and family.type != "unknown", family
        known.add(family.name)
        if family.type == "counter":
            known.add(family.name + "_total")
        if family.type == "histogram":
            known.update(family.name + end for end in ("_bucket", "_sum", "_count"))
        for sample in family.samples:
            samples.append({"name": sample.name, "labels": sample.labels, "value": repr(sample.value)})
    asked = {}
    for group in yaml.safe_load(open(alerts))["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("critical", "warning"), rule
            asked[rule["alert"]] = rule["expr"]
    board = json.load(open(dashboard))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) > 5, ids
    for panel in board["panels"]:
        for target in panel["targets"]:
            asked[f"{panel['title']} {target['refId']}"] = target["expr"]
    for who, expression in asked.items():
        names = set(METRIC.findall(expression))
        assert names or expression.startswith("up{"), f"{who} asks for nothing: {expression}"
        assert names <= known, f"{who} asks for {sorted(names - known)}"
    print(json.dumps({"samples": samples, "asked": len(asked)}))


main(*sys.argv[1:])
