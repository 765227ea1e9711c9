"""Figure 5 of the paper: what the sensors report, as lines, with its spikes.

Restricted: it shows where people are. The paper's page cut every value after three decimals, a hundred
metres. Lines here have 13: the most with which Grafana's rounding (Math.round(value * 10 ** decimals)) stays
exact for angles up to 180. Tables show text, which nobody rounds.
"""

from typing import Final

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import common, dashboard, units

from deploy.grafana.panels import Flux, flux_chart, flux_table, page, text_box, variable

SENSORS = common.DataSourceRef(type_val="influxdb", uid="sensors")
ANGLE_DECIMALS: Final = 13
ALTITUDE_DECIMALS: Final = 10

_METRES = "suffix: m"  # the unit "lengthm" would turn 1,234 m into 1.23 km
_READINGS = (
    "from(bucket: v.defaultBucket)\n"
    "  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
    '  |> filter(fn: (r) => r._measurement == "sensor_readings" and r.device_id =~ /^${device:regex}$/)\n'
)
_JUMPS = (
    '  |> duplicate(column: "_value", as: "reading")\n'
    "  |> difference()\n"
    "  |> filter(fn: (r) => math.abs(x: r._value) > float(v: %s))\n"
)


def sensors() -> dashboard.Dashboard:
    """The dashboard."""
    return page(
        uid="smart-bank-sensors",
        title="Smart Bank: sensors",
        description="What devices say. A spike is a reading further from the one before than the threshold,"
        " a change of place that would take an unrealistic speed.",
        time_from="now-1h",
        refresh="30s",
        variables=[
            _devices(),
            text_box("threshold_deg", "spike, degrees", "0.2"),
            text_box("threshold_m", "spike of altitude, metres", "100"),
        ],
        rows={
            "Readings": [
                _lines("Latitude", units.Degrees, "${threshold_deg}", ANGLE_DECIMALS),
                _lines("Longitude", units.Degrees, "${threshold_deg}", ANGLE_DECIMALS),
                _lines("Altitude", _METRES, "${threshold_m}", ALTITUDE_DECIMALS),
            ],
            "As they are stored": [
                flux_table(
                    "Spikes",
                    "Readings further from the one before than the threshold, with every decimal.",
                    Flux(_spikes_as_text(), SENSORS),
                ),
                flux_table(
                    "Readings",
                    "The latest thousand, with every decimal that the device sent.",
                    Flux(_readings_as_text(), SENSORS),
                ),
            ],
        },
    )


def _devices() -> dashboard.VariableModel:
    """A device, several, or all."""
    return variable(
        type_val=dashboard.VariableType.QUERY,
        name="device",
        label="device",
        datasource=SENSORS,
        query='import "influxdata/influxdb/schema"\n'
        'schema.measurementTagValues(bucket: v.defaultBucket, measurement: "sensor_readings",'
        ' tag: "device_id")',
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        multi=True,
        include_all=True,
        all_value=".*",
        current=dashboard.VariableOption(selected=True, text="All", value="$__all"),
        options=[],
    )


def _lines(field: str, unit: str, threshold: str, decimals: int) -> timeseries.Panel:
    """Every reading of a field, and again as a red point what jumps."""
    of_field = f'{_READINGS}  |> filter(fn: (r) => r._field == "{field}")\n'
    readings = of_field + '  |> keep(columns: ["_time", "_value", "device_id"])'
    spikes = (
        f'import "math"\n{of_field}{_JUMPS % threshold}'
        "  |> map(fn: (r) => ({_time: r._time, device_id: r.device_id, _value: r.reading}))\n"
        '  |> group(columns: ["device_id"])'
    )
    return (
        flux_chart(
            field,
            "As the device sent it. Red: further from the reading before than the threshold.",
            unit,
            Flux(readings, SENSORS, "A"),
            Flux(spikes, SENSORS, "B"),
            name="${__field.labels.device_id}",
            width=24,
        )
        .decimals(decimals)
        .override_by_query(
            "B",
            [
                dashboard.DynamicConfigValue("displayName", "spike ${__field.labels.device_id}"),
                dashboard.DynamicConfigValue("custom.drawStyle", common.GraphDrawStyle.POINTS),
                dashboard.DynamicConfigValue("custom.pointSize", 10),
                dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
            ],
        )
    )


def _spikes_as_text() -> str:
    def of(name: str, fields: str, threshold: str) -> str:
        return f"{name} = {_READINGS}  |> filter(fn: (r) => {fields})\n{_JUMPS % threshold}"

    return (
        'import "math"\n'
        + of("place", 'r._field == "Latitude" or r._field == "Longitude"', "${threshold_deg}")
        + of("height", 'r._field == "Altitude"', "${threshold_m}")
        + "union(tables: [place, height])\n"
        "  |> map(fn: (r) => ({time: r._time, device: r.device_id, field: r._field,"
        " value: string(v: r.reading), change: string(v: r._value)}))\n"
        "  |> group()\n"
        '  |> sort(columns: ["time"], desc: true)\n'
        "  |> limit(n: 1000)"
    )


def _readings_as_text() -> str:
    return (
        _READINGS + '  |> filter(fn: (r) => r._field == "Latitude" or r._field == "Longitude" or'
        ' r._field == "Altitude" or r._field == "Speed" or r._field == "Bearing")\n'
        "  |> map(fn: (r) => ({_time: r._time, device_id: r.device_id, _field: r._field,"
        " _value: string(v: r._value)}))\n"
        "  |> group()\n"
        '  |> pivot(rowKey: ["_time", "device_id"], columnKey: ["_field"], valueColumn: "_value")\n'
        '  |> sort(columns: ["_time"], desc: true)\n'
        "  |> limit(n: 1000)"
    )
