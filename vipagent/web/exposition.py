"""Metrics in the formats of Prometheus, generated from the agent's view at each scrape."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from vipagent.telemetry.counters import Histogram
from vipagent.telemetry.view import AgentView
from vipagent.web.metrics import METRICS, Metric
from vipagent.web.samples import SAMPLES, Sample

FAMILIES: Mapping[str, Any] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Exposition:
    """Content of `/metrics`: the agent's metrics, and the `process_*` metrics of client libraries.

    Args:
        view: returns the current view of the agent.
    """

    def __init__(self, view: Callable[[], AgentView]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_AgentCollector(view))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[str, bytes]:
        """Return content type and body, in the format preferred by the scraper.

        Args:
            accept: the `Accept` header.
        """
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self._registry)


class _AgentCollector(Collector):
    def __init__(self, view: Callable[[], AgentView]) -> None:
        self._view = view

    def describe(self) -> Iterable[Family]:
        """Describe nothing, because there is no second collector with conflicting names."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield every metric."""
        view = self._view()
        for metric in METRICS:
            yield _family(metric, SAMPLES[metric.name](view))


def _family(metric: Metric, samples: Iterable[Sample]) -> Any:
    family = FAMILIES[metric.kind](metric.name, metric.text, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, *(_distribution(value) if isinstance(value, Histogram) else (value,)))
    return family


def _distribution(histogram: Histogram) -> tuple[list[tuple[str, int]], float]:
    """Return the cumulative count of each bucket, and the sum of all durations."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.total
