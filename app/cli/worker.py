"""`worker detector|publisher|sink`: a worker in this process, until SIGTERM or Ctrl-C."""

import asyncio
import importlib.util
import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import faust

    from app.settings import Settings
    from app.topics import AppTopics

worker_app = typer.Typer(no_args_is_help=True)


@worker_app.command()
def detector() -> None:
    """Run a worker of the detector; start more of them to share its partitions.

    SIGTERM and Ctrl-C end it within seconds and repeat nothing. Exit status 1: it could not go on; the log
    says why. The same as `faust -A app.detector worker`.
    """
    from app.factory import create_detector
    from app.metrics_page import process_registry
    from app.settings import Settings
    from app.topics import topics_of

    settings = Settings.from_env(os.environ)
    _check(settings, topics_of(settings).detector, settings.app_id)
    _run(create_detector(settings, process_registry()), settings)


@worker_app.command()
def publisher() -> None:
    """Run a worker of the publisher: sketches of what was decided, and the answers of `query`.

    Start more of them to share its partitions. Ends as the detector does; the same as `faust -A app.publisher
    worker`.
    """
    from app.metrics_page import process_registry
    from app.publishing import create_publisher
    from app.settings import Settings
    from app.topics import topics_of

    settings = Settings.from_env(os.environ)
    _check(settings, topics_of(settings).publisher, settings.publisher_id)
    _run(create_publisher(settings, process_registry()), settings)


@worker_app.command()
def sink(name: Annotated[str, typer.Argument(metavar="NAME", help="The store: mongodb.")]) -> None:
    """Run a worker that takes anonymized transactions to a store; start more to share the partitions.

    Every store has a consumer group of its own, bank-sink-NAME: one that is away delays no other. Ends as the
    detector does.
    """
    from app.metrics_page import process_registry
    from app.settings import Settings
    from app.sink import check_store, create_sink, group_of
    from app.topics import topics_of

    settings = Settings.from_env(os.environ)
    asyncio.run(check_store(settings, name))
    _check(settings, topics_of(settings).sink, group_of(name))
    _run(create_sink(settings, name, process_registry()), settings)


def _check(settings: "Settings", topics: "AppTopics", group_id: str) -> None:
    """The app checks the same when it starts; here an error is one line instead of a traceback."""
    from app.broker_client import silent_client_logs
    from app.checked_app import check_start
    from app.connection import connection_of

    with silent_client_logs():
        asyncio.run(check_start(connection_of(settings), topics, group_id))
    use_uvloop()


def _run(app: "faust.App", settings: "Settings") -> None:
    import faust

    faust.Worker(app, loglevel=settings.log_level, redirect_stdouts=False).execute_from_commandline()


def use_uvloop() -> None:
    """Run event loops on uvloop where it is installed (it is not for every platform)."""
    if importlib.util.find_spec("uvloop"):
        import mode.loop

        mode.loop.use("uvloop")
