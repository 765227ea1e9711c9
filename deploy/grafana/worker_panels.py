"""Panels on the processes, and what they do all day."""

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from deploy.grafana.panels import chart, quantiles, series

_WORKERS = 'job=~"detector|publisher|sink"'


def work() -> Sequence[Builder[Panel]]:
    """Chunks, commits, tables, groups."""
    return [
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
    ]


def processes() -> Sequence[Builder[Panel]]:
    """Processor, memory, garbage."""
    return [
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
    ]
