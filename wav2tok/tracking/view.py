"""How the MLflow UI shows an experiment.

Headline figures and what became of the model are columns; loss and validation retrieval are the first charts. MLflow
stores a view that people share as a tag of the experiment, and a link names the tag. This is such a view.
"""

import json
from typing import Any

KEY = "training"
TAG = f"mlflow.sharedViewState.{KEY}"
NAME = "attributes.`Run Name`"
COLUMNS = ("test/mrr", "test/map", "test/score", "valid/best_score")
"""The metrics that are columns of the table of runs."""
CHARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "loss and validation retrieval": (("loss",), ("valid/mrr", "valid/map"), ("valid/score",)),
    "test": (("test/mrr",), ("test/map",), ("test/score",)),
    "losses by step": (("step/loss",), ("step/sequence",), ("step/codeword",), ("step/matching",)),
}
"""Section -> the metrics of each of its charts. MLflow adds sections with the other metrics, system metrics last."""


def state() -> str:
    """The value of the tag."""
    columns = ["tags.`outcome`", *(f"metrics.`{name}`" for name in COLUMNS), "attributes.`Models`"]
    return json.dumps(
        {
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "selectedColumns": columns,
            "columnOrder": [NAME, "runDateAndNestInfo", *columns],
            "columnWidths": {NAME: 360, "tags.`outcome`": 220},
            "compareRunCharts": [_chart(metrics, section) for section, charts in CHARTS.items() for metrics in charts],
            "compareRunSections": [
                {"uuid": section, "name": section, "display": True, "isReordered": True} for section in CHARTS
            ],
            "isAccordionReordered": True,
        },
        separators=(",", ":"),
    )


def _chart(metrics: tuple[str, ...], section: str) -> dict[str, Any]:
    """A chart of some metrics: lines over the steps, or bars where there is one value a run."""
    common = {
        "uuid": metrics[0],
        "metricSectionId": section,
        "runsCountToCompare": 10,
        "metricKey": metrics[0],
        "deleted": False,
        "isGenerated": True,
    }
    if section == "test":
        return common | {"type": "BAR"}
    return common | {
        "type": "LINE",
        "selectedMetricKeys": metrics,
        "xAxisKey": "step",
        "yAxisKey": "metric",
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "lineSmoothness": 0,
        "range": {},
        "selectedXAxisMetricKey": "",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
