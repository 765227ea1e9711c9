"""The publisher for `faust -A app.publisher worker`. Imported by nobody."""

import os

from prometheus_client import CollectorRegistry

from app.publishing import create_publisher
from app.settings import Settings

app = create_publisher(Settings.from_env(os.environ), CollectorRegistry())
