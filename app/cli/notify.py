"""`python -m app notify`: tells people of what was flagged, until SIGTERM or Ctrl-C."""

import asyncio
import os


def notify() -> None:
    """Tell people of flagged, confirmed and retracted transactions and of card testing.

    By a signed webhook, Slack or e-mail, as SMARTBANK_NOTIFY_* says; content is masked. A receiver that is
    away is waited for: nothing is committed before it has the message. docs/notifications.md shows how to set
    it up, and how a receiver checks the signature.
    """
    import logging

    from app.cli.worker import use_uvloop
    from app.notifier import run_notifier
    from app.settings import Settings

    settings = Settings.from_env(os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(), format="[%(asctime)s] %(levelname)s %(name)s: %(message)s"
    )
    use_uvloop()
    asyncio.run(run_notifier(settings))
