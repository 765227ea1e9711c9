"""Panels on the stores, and on what is kept and published of the stream."""

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from deploy.grafana.panels import chart, quantiles, series


def stores() -> Sequence[Builder[Panel]]:
    """Each sink: rows, failures, its queue."""
    return [
        chart(
            "Rows",
            "What the stores took, and what became a dead letter.",
            units.RowsPerSecond,
            series(
                "sum by (sink) (rate(smartbank_sink_rows_written_total[$__rate_interval]))",
                "{{sink}}",
            ),
            series(
                "sum by (sink, reason) (rate(smartbank_sink_rows_rejected_total[$__rate_interval]))",
                "{{sink}} refused: {{reason}}",
            ),
        ),
        chart(
            "Calls that failed",
            "Per minute; they are made again.",
            units.Short,
            series(
                "60 * sum by (sink) (rate(smartbank_sink_retries_total[$__rate_interval]))",
                "{{sink}}",
            ),
        ),
        chart(
            "Time of a batch",
            "Of writes that came to their end.",
            units.Seconds,
            *quantiles("smartbank_sink_batch_seconds", by="sink"),
        ),
        chart(
            "Queue",
            "Rows that were read and are not in the store yet.",
            units.Short,
            series("sum by (sink) (smartbank_sink_buffered_rows)", "{{sink}}"),
        ),
        chart(
            "Oldest row that waits",
            "It grows while the store is away.",
            units.Seconds,
            series("max by (sink) (smartbank_sink_oldest_row_seconds)", "{{sink}}"),
        ),
        chart(
            "Circuit breaker",
            "0 closed, 1 half open, 2 open: the store is not asked for a while.",
            units.Short,
            series("max by (sink) (smartbank_sink_breaker_state)", "{{sink}}"),
        ),
    ]


def sketches_and_privacy() -> Sequence[Builder[Panel]]:
    """What the publisher promises, and whether it holds."""
    return [
        chart(
            "Errors of the sketches",
            "Over the errors that they promise; above 1 happens by chance now and then.",
            units.Short,
            series("max by (sketch) (smartbank_sketch_error_ratio)", "{{sketch}}"),
        ),
        chart(
            "Sketches that break their bound",
            "1: more than chance makes it. An alert fires.",
            units.Short,
            series("max by (sketch) (smartbank_sketch_bound_broken)", "{{sketch}}"),
        ),
        chart(
            "Company of published rows",
            "Smallest group so far and the fewest merchants in one, beside what is promised.",
            units.Short,
            series("min(smartbank_anonymity_k)", "people"),
            series("max(smartbank_anonymity_k_target)", "people, promised"),
            series("min(smartbank_anonymity_l)", "merchants"),
            series("max(smartbank_anonymity_l_target)", "merchants, promised"),
        ),
        chart(
            "Waiting for company",
            "How long published rows waited, and how long they may.",
            units.Seconds,
            *quantiles("smartbank_anonymity_delay_seconds"),
            series("max(smartbank_anonymity_delay_limit_seconds)", "limit"),
        ),
        chart(
            "Rows for analysts",
            "Published ones, and those that found too little company, by reason.",
            units.RowsPerSecond,
            series("sum(rate(smartbank_anonymized_rows_total[$__rate_interval]))", "published"),
            series(
                "sum by (reason) (rate(smartbank_suppressed_rows_total[$__rate_interval]))",
                "suppressed: {{reason}}",
            ),
        ),
        chart(
            "Budget of epsilon",
            "What the day's statistics have spent of the day's budget.",
            units.Short,
            series("max(smartbank_privacy_epsilon_spent)", "spent"),
            series("max(smartbank_privacy_epsilon_budget)", "budget"),
            series("sum(increase(smartbank_privacy_refused_total[1h]))", "refused in the last hour"),
        ),
        chart(
            "Loss of information",
            "Of published rows: 0 nothing is lost, 1 all.",
            units.PercentUnit,
            *quantiles("smartbank_anonymity_information_loss"),
        ),
        chart(
            "Snapshots",
            "Per minute: the sketches of a partition, written to the changelog.",
            units.Short,
            series("60 * sum(rate(smartbank_sketch_snapshots_total[$__rate_interval]))", "snapshots"),
        ),
    ]
