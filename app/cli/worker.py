"""`worker detector|sink`: a worker in this process, until SIGTERM or Ctrl-C."""

import asyncio
import importlib.util
import os
from typing import Annotated

import typer

worker_app = typer.Typer(no_args_is_help=True)


@worker_app.command()
def detector() -> None:
    """Run a worker of the detector; start more of them to share its partitions.

    SIGTERM and Ctrl-C end it within seconds and repeat nothing. Exit status 1: it could not go on; the log
    says why. The same as `faust -A app.detector worker`.
    """
    import faust
    from prometheus_client import CollectorRegistry

    from app.broker_client import silent_client_logs
    from app.checked_app import check_start
    from app.connection import connection_of
    from app.factory import create_detector
    from app.settings import Settings
    from app.topics import topics_of

    settings = Settings.from_env(os.environ)
    # The app checks the same when it starts; here an error is one line instead of a traceback.
    with silent_client_logs():
        asyncio.run(check_start(connection_of(settings), topics_of(settings), settings.app_id))
    use_uvloop()
    app = create_detector(settings, CollectorRegistry())
    faust.Worker(app, loglevel=settings.log_level, redirect_stdouts=False).execute_from_commandline()


@worker_app.command()
def sink(name: Annotated[str, typer.Argument(metavar="NAME", help="The store: mongodb.")]) -> None:
    """Run a worker that takes anonymized transactions to a store; start more to share the partitions.

    Every store has a consumer group of its own, bank-sink-NAME: one that is away delays no other. Ends as the
    detector does.
    """
    import faust
    from prometheus_client import CollectorRegistry

    from app.broker_client import silent_client_logs
    from app.settings import Settings
    from app.sink import check_kafka, check_store, create_sink

    settings = Settings.from_env(os.environ)
    asyncio.run(check_store(settings, name))
    with silent_client_logs():
        asyncio.run(check_kafka(settings, name))
    use_uvloop()
    app = create_sink(settings, name, CollectorRegistry())
    faust.Worker(app, loglevel=settings.log_level, redirect_stdouts=False).execute_from_commandline()


def use_uvloop() -> None:
    """Run event loops on uvloop where it is installed (it is not for every platform)."""
    if importlib.util.find_spec("uvloop"):
        import mode.loop

        mode.loop.use("uvloop")
