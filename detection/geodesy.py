"""Distances on the Earth."""

from pyproj import Geod

_WGS84 = Geod(ellps="WGS84")


def distance_m(from_lat_deg: float, from_lon_deg: float, to_lat_deg: float, to_lon_deg: float) -> float:
    """Length of the WGS84 geodesic between two points, in metres.

    Karney's algorithm (J. Geod. 87, 2013) as PROJ computes it: right to nanometres for any two points,
    over the antimeridian, the poles and between antipodes.
    """
    return _WGS84.inv(from_lon_deg, from_lat_deg, to_lon_deg, to_lat_deg)[2]  # type: ignore[no-any-return]
