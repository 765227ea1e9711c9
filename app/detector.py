"""The detector for `faust -A app.detector worker`. Imported by nobody."""

import os

from app.factory import create_detector
from app.metrics_page import process_registry
from app.settings import Settings

app = create_detector(Settings.from_env(os.environ), process_registry())
