"""Workers under somebody who starts them again, as systemd or Docker would."""

import threading
from types import TracebackType
from typing import Self

from tests.pipeline import Pipeline, Worker

_LOOK_EVERY_S = 0.1


class Supervisor:
    """Starts a worker again that ended with status 1: one that could not go on and said so.

    Any other end that the test did not bring about itself is an error. Leave it with `with`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.restarts = 0
        self._pipeline = pipeline
        self._workers: list[Worker] = []
        self._changing = threading.Lock()
        self._strange: list[str] = []
        self._end = threading.Event()
        self._watch = threading.Thread(target=self._watch_until_the_end)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._watch.join()
        if error is None:
            assert not self._strange, "\n".join(self._strange)

    @property
    def workers(self) -> list[Worker]:
        """Those that run now, oldest first."""
        with self._changing:
            return list(self._workers)

    def start(self, count: int) -> list[Worker]:
        """Start so many, and return when each is ready."""
        with self._changing:
            started = [self._pipeline.worker() for _ in range(count)]
            self._workers += started
        for worker in started:
            worker.wait_ready()
        return started

    def release(self, worker: Worker) -> Worker:
        """Look after it no longer: the test is about to end it."""
        with self._changing:
            self._workers.remove(worker)
        return worker

    def _watch_until_the_end(self) -> None:
        while not self._end.wait(_LOOK_EVERY_S):
            with self._changing:
                for place, worker in enumerate(self._workers):
                    status = worker.process.poll()
                    if status is None:
                        continue
                    if status != 1:
                        self._strange.append(f"ended with {status}:\n{worker.log[-4000:]}")
                    self.restarts += 1
                    self._workers[place] = self._pipeline.worker()
