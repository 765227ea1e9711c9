"""The detector for `faust -A app.detector worker`. Imported by nobody."""

import os

from prometheus_client import CollectorRegistry

from app.factory import create_detector
from app.settings import Settings

app = create_detector(Settings.from_env(os.environ), CollectorRegistry())
