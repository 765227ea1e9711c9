"""What is flagged, and what analysts get of it: internal and public data, no person and no place of one."""

from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import Flux, chart, flux_chart, number, page, series

ROWS = common.DataSourceRef(type_val="influxdb", uid="rows")

_FIRST = 'smartbank_verdicts_total{stage="provisional"}'
_FLAGGED = 'smartbank_verdicts_total{stage="provisional", verdict="flagged"}'


def fraud() -> Dashboard:
    """The dashboard."""
    return page(
        uid="smart-bank-fraud",
        title="Smart Bank: fraud",
        description="What is flagged and why, as counts; and what analysts see: anonymized rows.",
        time_from="now-6h",
        refresh="30s",
        rows={
            "Now": [
                number(
                    "Flagged, last hour",
                    "Lines to the fraud desk that raise an alert.",
                    units.Short,
                    'sum(increase(smartbank_alerts_total{event="flagged"}[1h])) or vector(0)',
                ),
                number(
                    "Confirmed, last hour",
                    "Final, and still flagged.",
                    units.Short,
                    'sum(increase(smartbank_alerts_total{event="confirmed"}[1h])) or vector(0)',
                ),
                number(
                    "Retracted, last hour",
                    "The phone said more, and the transaction was possible.",
                    units.Short,
                    'sum(increase(smartbank_alerts_total{event="retracted"}[1h])) or vector(0)',
                ),
                number(
                    "Flagged share",
                    "Of all first verdicts of the last quarter of an hour.",
                    units.PercentUnit,
                    "smartbank:flagged:ratio_rate15m",
                ),
                number(
                    "Card testing",
                    "Clusters of near-identical small transactions of many cards, now.",
                    units.Short,
                    "max(smartbank_card_testing_clusters)",
                    bad_from=1,
                ),
                number(
                    "Rows published, last hour",
                    "For analysts: k people look alike.",
                    units.Short,
                    "sum(increase(smartbank_anonymized_rows_total[1h]))",
                ),
            ],
            "Verdicts": [
                chart(
                    "Alerts",
                    "Per minute: flagged at first, confirmed when final, retracted when the phone says more.",
                    units.Short,
                    series(
                        "60 * sum by (event) (rate(smartbank_alerts_total[$__rate_interval]))", "{{event}}"
                    ),
                    width=12,
                ),
                chart(
                    "Flagged share",
                    "Of first verdicts; an alert compares it with the mean of the last day.",
                    units.PercentUnit,
                    series("smartbank:flagged:ratio_rate15m", "last quarter of an hour"),
                    series("smartbank:flagged:ratio_avg1d", "mean of the last day"),
                    width=12,
                ),
                chart(
                    "Reasons",
                    "Of flagged transactions, per minute; one may have several. docs/verdicts.md.",
                    units.Short,
                    series(
                        "60 * sum by (reason)"
                        ' (rate(smartbank_verdict_reasons_total{verdict="flagged"}[$__rate_interval]))',
                        "{{reason}}",
                    ),
                    width=12,
                ),
                chart(
                    "First verdicts",
                    "Shares; no_location: the phone has said nothing that helps.",
                    units.PercentUnit,
                    series(
                        f"sum by (verdict) (rate({_FIRST}[$__rate_interval]))"
                        f" / ignoring (verdict) group_left sum(rate({_FIRST}[$__rate_interval]))",
                        "{{verdict}}",
                    ),
                    width=12,
                    stacked=True,
                ),
                chart(
                    "Where phones are",
                    "Locations per minute: where the device usually is, or not, in the paper's words.",
                    units.Short,
                    series(
                        "60 * sum by (answer) (rate(smartbank_sensor_readings_total[$__rate_interval]))",
                        "{{answer}}",
                    ),
                    width=12,
                ),
                chart(
                    "Card testing",
                    "Clusters at the time, and alerts about them in the last hour.",
                    units.Short,
                    series("max(smartbank_card_testing_clusters)", "clusters"),
                    series("sum(increase(smartbank_card_testing_alerts_total[1h]))", "alerts"),
                    width=12,
                ),
            ],
            "Rows for analysts": [
                flux_chart(
                    "Flagged, by category",
                    "Anonymized rows of flagged transactions an hour, by the merchants' category.",
                    units.Short,
                    _rows_an_hour('r.verdict == "flagged"', "merchant_category"),
                    name="${__field.labels.merchant_category}",
                    width=12,
                ),
                flux_chart(
                    "Volume, by category",
                    "All anonymized rows an hour, by the merchants' category.",
                    units.Short,
                    _rows_an_hour("true", "merchant_category"),
                    name="${__field.labels.merchant_category}",
                    width=12,
                ),
                flux_chart(
                    "Verdicts",
                    "Anonymized rows an hour, by verdict.",
                    units.Short,
                    _rows_an_hour("true", "verdict"),
                    name="${__field.labels.verdict}",
                    width=12,
                ),
                flux_chart(
                    "Devices",
                    "Anonymized rows an hour, by what the customer paid with.",
                    units.Short,
                    _rows_an_hour("true", "device_type"),
                    name="${__field.labels.device_type}",
                    width=12,
                ),
            ],
        },
    )


def _rows_an_hour(which: str, by: str) -> Flux:
    """Rows have the time of their range of an hour, so finer windows would tell nothing."""
    return Flux(
        "from(bucket: v.defaultBucket)\n"
        "  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
        f'  |> filter(fn: (r) => r._measurement == "transactions" and r._field == "group_size" and {which})\n'
        f'  |> group(columns: ["{by}"])\n'
        "  |> aggregateWindow(every: 1h, fn: count)",
        ROWS,
    )
