"""Panels on the stream of events, and what is decided of it."""

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from deploy.grafana.panels import chart, number, quantiles, series


def glance() -> Sequence[Builder[Panel]]:
    """What is looked at first."""
    return [
        number(
            "Processes that do not answer",
            "Of those that Prometheus is told to scrape.",
            units.Short,
            "count(up == 0) or vector(0)",
            bad_from=1,
        ),
        number(
            "Checks of /readyz that fail",
            "Of all workers; the panel further down says which.",
            units.Short,
            "count(smartbank_health_check_ok == 0) or vector(0)",
            bad_from=1,
        ),
        number(
            "Events per second",
            "What the detector has taken of locations and transactions.",
            units.EventsPerSecond,
            'sum(rate(smartbank_events_total{job="detector"}[$__rate_interval]))',
        ),
        number(
            "First verdict, p95",
            "From the transaction's record to the acknowledged decision.",
            units.Seconds,
            "histogram_quantile(0.95,"
            " sum by (le) (rate(smartbank_verdict_latency_seconds_bucket[$__rate_interval])))",
            bad_from=1,
        ),
        number(
            "Longest lag",
            "Age of the oldest record that is read and not done.",
            units.Seconds,
            "max(smartbank_consumer_lag_seconds)",
            bad_from=60,
        ),
        number(
            "Dead letters, last hour",
            "Records that could not be read, or that a store refused.",
            units.Short,
            "sum(increase(smartbank_dead_letters_total[1h])) or vector(0)",
            bad_from=1,
        ),
    ]


def stream() -> Sequence[Builder[Panel]]:
    """Events, verdicts, how late they are."""
    return [
        chart(
            "Events",
            "Input records by what became of them.",
            units.EventsPerSecond,
            series(
                "sum by (job, topic, outcome) (rate(smartbank_events_total[$__rate_interval]))",
                "{{job}} {{topic}} {{outcome}}",
            ),
        ),
        chart(
            "Verdicts",
            "Lines of transaction_decisions, first and final ones.",
            units.EventsPerSecond,
            series(
                "sum by (stage, verdict) (rate(smartbank_verdicts_total[$__rate_interval]))",
                "{{stage}} {{verdict}}",
            ),
        ),
        chart(
            "Time to the first verdict",
            "From the transaction's record timestamp until the broker has acknowledged the decision."
            " Transactions of an hour ago and older are counted apart.",
            units.Seconds,
            *quantiles("smartbank_verdict_latency_seconds"),
        ),
        chart(
            "Lag in records",
            "Records behind the committed offset.",
            units.Short,
            series("sum by (job, topic) (smartbank_consumer_lag_records)", "{{job}} {{topic}}"),
        ),
        chart(
            "Lag in seconds",
            "Age of the oldest record that was fetched and is not acknowledged.",
            units.Seconds,
            series("max by (job, topic) (smartbank_consumer_lag_seconds)", "{{job}} {{topic}}"),
        ),
        chart(
            "Delay of the watermark",
            "How far stream time is behind the clock. It grows where nothing comes.",
            units.Seconds,
            series("max by (job) (smartbank_watermark_delay_seconds)", "{{job}}"),
        ),
        chart(
            "Open transactions",
            "Their verdict may still change: those of the last five minutes, as long as all is well.",
            units.Short,
            series("sum(smartbank_open_transactions)", "open"),
        ),
        chart(
            "Dead letters",
            "Per minute, by the topic that they came from and their reason.",
            units.Short,
            series(
                "60 * sum by (topic, reason) (rate(smartbank_dead_letters_total[$__rate_interval]))",
                "{{topic}} {{reason}}",
            ),
        ),
        chart(
            "Historic verdicts",
            "First verdicts on transactions an hour old or older: a backlog, or a file.",
            units.EventsPerSecond,
            series("sum(rate(smartbank_historic_verdicts_total[$__rate_interval]))", "historic"),
        ),
    ]
