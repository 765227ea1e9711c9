"""The publisher for `faust -A app.publisher worker`. Imported by nobody."""

import os

from app.metrics_page import process_registry
from app.publishing import create_publisher
from app.settings import Settings

app = create_publisher(Settings.from_env(os.environ), process_registry())
