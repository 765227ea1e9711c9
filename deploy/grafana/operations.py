"""Is all well? What an operator looks at, from Prometheus."""

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import chart, number, page, quantiles, series

_WORKERS = 'job=~"detector|publisher|sink"'


def operations() -> Dashboard:
    """The dashboard."""
    return page(
        uid="smart-bank-operations",
        title="Smart Bank: operations",
        description="Is all well? docs/metrics.md says what each metric means, docs/runbook.md what to do.",
        time_from="now-1h",
        refresh="10s",
        rows={
            "At a glance": [
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
            ],
            "Stream": [
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
            ],
            "Work": [
                chart(
                    "A chunk",
                    "From the beginning of the work on a chunk to its acknowledgement.",
                    units.Seconds,
                    *quantiles("smartbank_chunk_seconds", by="job"),
                ),
                chart(
                    "A commit",
                    "How long commits of offsets took.",
                    units.Seconds,
                    *quantiles("smartbank_commit_seconds", by="job"),
                ),
                chart(
                    "Rows in tables",
                    "On disk, RocksDB's estimate.",
                    units.Short,
                    series("sum by (job, table) (smartbank_table_rows)", "{{job}} {{table}}"),
                ),
                chart(
                    "Rebalances",
                    "In the last ten minutes, of each worker. One or two are a start; many are a fault.",
                    units.Short,
                    series(
                        "sum by (job, instance) (increase(smartbank_rebalances_total[10m]))",
                        "{{job}} {{instance}}",
                    ),
                ),
                chart(
                    "Recovery",
                    "Changelog records that tables still lack, and how many are read a second.",
                    units.Short,
                    series("sum by (job) (smartbank_table_recovery_remaining_records)", "{{job}} lacking"),
                    series(
                        "sum by (job) (rate(smartbank_table_recovery_records_total[$__rate_interval]))",
                        "{{job}} read a second",
                    ),
                ),
                chart(
                    "Checks of /readyz",
                    "1: all workers of the kind pass.",
                    units.Short,
                    series("min by (job, check) (smartbank_health_check_ok)", "{{job}} {{check}}"),
                ),
            ],
            "Stores": [
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
            ],
            "Sketches and privacy": [
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
            ],
            "Processes": [
                chart(
                    "Processor",
                    "Cores that each process uses.",
                    units.Short,
                    series(
                        f"rate(process_cpu_seconds_total{{{_WORKERS}}}[$__rate_interval])",
                        "{{job}} {{instance}}",
                    ),
                ),
                chart(
                    "Memory",
                    "Resident.",
                    units.BytesIEC,
                    series(f"process_resident_memory_bytes{{{_WORKERS}}}", "{{job}} {{instance}}"),
                ),
                chart(
                    "Garbage collector",
                    "Runs per second by generation, all processes of a kind together.",
                    units.Short,
                    series(
                        "sum by (job, generation)"
                        f" (rate(python_gc_collections_total{{{_WORKERS}}}[$__rate_interval]))",
                        "{{job}} generation {{generation}}",
                    ),
                ),
                chart(
                    "Open files",
                    "Share of those that a process may open.",
                    units.PercentUnit,
                    series(
                        f"process_open_fds{{{_WORKERS}}} / process_max_fds{{{_WORKERS}}}",
                        "{{job}} {{instance}}",
                    ),
                ),
                chart(
                    "Up",
                    "1: Prometheus reads its metrics.",
                    units.Short,
                    series("up", "{{job}} {{instance}}"),
                ),
            ],
        },
    )
