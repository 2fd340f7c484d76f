"""Carry out requests of several processes in one of them.

Terraform starts a process for each CA, ten at once. To load the AWS SDK costs each of them more
than all its calls. So each writes its request into a folder that the processes of a run share, and
the one that gets the folder's lock carries out every request there is. The others wait for their
results. If that process is killed, the lock passes to one of them, which carries out what is left:
requests are idempotent.

A process holds a lock on its own request as long as it lives: nothing is carried out for a process
that is gone. The folder is open to its user alone, and its name depends on everything that a
request depends on in addition to itself: environment, working folder and program.

Fifty CAs are fifty of these processes, so this module imports little: no dataclasses, tempfile or
packages. To import these took a quarter of the time of a process that waits for another.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from iot_ca import waiting
from iot_ca.errors import DEBUG_VARIABLE, Failure, Failures, as_failure

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

# Where Terraform puts the request: what differs between the processes of a run.
REQUEST_VARIABLE = "IOT_CA_REQUEST"

# Terraform's own limit of operations at once; more come only with -parallelism.
_PARALLEL_REQUESTS = 10
_POLL_SECONDS = 0.02
# Terraform starts its next processes when some have ended: what they ask comes this much later. To
# load the AWS SDK anew takes longer. A run of few CAs does not wait for more.
_LINGER_SECONDS = 0.5
_MANY_REQUESTS = 8
_NEW, _REQUEST, _RESULT, _LOCK = ".new", ".request", ".result", "lock"
_DIGEST_LENGTH = 24

Run = Callable[[str, str], str]


class RequestOutcome(NamedTuple):
    """What a request ended with: `done`, or the failures with the account and Region."""

    done: str | None = None
    where: str = ""
    failures: Mapping[str, str] | None = None

    def unwrap(self) -> str:
        """Return what was done; raise Failures or Failure as the command has."""
        if self.done is not None:
            return self.done
        by_name = {name: Failure(text) for name, text in (self.failures or {}).items()}
        if not self.where:
            raise by_name[""]
        raise Failures(self.where, by_name)


def carry_out(command: str, text: str, load: Callable[[], Run]) -> str:
    """Carry out a request of Terraform, possibly in another process; return what was done.

    Args:
        command, text: the command and its request.
        load: returns the function that carries out a command. Called only in the process that does
            so, since what the function imports takes most of the time.

    Raises Failures or Failure, as the command does.
    """
    # On Windows there is no flock, and for a traceback the error must be this process's own.
    if sys.platform != "win32" and os.environ.get(DEBUG_VARIABLE) != "1":
        # A temporary folder that can't be used must not stop an apply.
        with suppress(OSError):
            return _in_folder(_folder(), json.dumps([command, text]), load).unwrap()
    return load()(command, text)


def _folder() -> Path:
    """Return the path of the folder of the processes that this one can share work with."""
    alike = [
        sorted((name, value) for name, value in os.environ.items() if name != REQUEST_VARIABLE),
        [str(Path.cwd()), sys.executable, str(Path(__file__).resolve())],
    ]
    digest = hashlib.sha256(json.dumps(alike).encode()).hexdigest()[:_DIGEST_LENGTH]
    return Path(_temporary_folder(), f"iot-ca-{os.getuid()}-{digest}")


def _temporary_folder() -> str:
    """Return the folder for temporary files, as Python's tempfile finds it."""
    usual = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")] + ["/tmp", "/var/tmp"]
    usable = (folder for folder in usual if folder and os.access(folder, os.W_OK | os.X_OK))
    return next(usable, "/tmp")


def _in_folder(folder: Path, request: str, load: Callable[[], Run]) -> RequestOutcome:
    """Put a request into the folder, and return its outcome. Raises OSError."""
    with _request(folder, request) as own:
        result = own.with_suffix(_RESULT)
        while not result.exists():
            with _lock(folder) as is_leader:
                if is_leader:
                    _lead(folder, load)
                    if not result.exists():
                        raise FileNotFoundError(str(own))
            if not is_leader:
                time.sleep(_POLL_SECONDS)
        return RequestOutcome(**json.loads(result.read_text(encoding="utf-8")))


@contextmanager
def _request(folder: Path, request: str) -> Iterator[Path]:
    """Hold a request in the folder; return its path."""
    own = folder / f"{os.getpid()}-{time.monotonic_ns()}{_REQUEST}"
    new = own.with_suffix(_NEW)
    while True:
        _make(folder)
        # The folder is gone if the last process in it has removed it in this moment.
        with suppress(FileNotFoundError):
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            break
    try:
        # Released by the system when this process ends, however it ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, request.encode())
        new.rename(own)
        yield own
    finally:
        for path in (new, own, own.with_suffix(_RESULT)):
            with suppress(OSError):
                path.unlink()
        os.close(descriptor)
        _remove_if_unused(folder)


def _make(folder: Path) -> None:
    """Create a folder that no other user can enter; raise OSError if that is not what is there."""
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    status = folder.lstat()
    is_private = status.st_uid == os.getuid() and not status.st_mode & 0o077
    if not stat.S_ISDIR(status.st_mode) or not is_private:
        raise PermissionError(str(folder))


@contextmanager
def _lock(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock if no other process does; return whether it is held."""
    path = folder / _LOCK
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have removed the file after it was opened here.
            held = path.stat().st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError):
            held = False
        yield held
    finally:
        os.close(descriptor)


def _remove_if_unused(folder: Path) -> None:
    """Remove the folder if no process has a request in it."""
    with suppress(OSError), _lock(folder) as held:
        if held and not _requests(folder):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


def _requests(folder: Path) -> set[Path]:
    """Return the requests whose processes live; remove the others."""
    return {path for path in folder.glob(f"*{_REQUEST}") if _is_live(path)}


def _is_live(path: Path) -> bool:
    """Return whether the process of a request lives; remove the request if not."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        with suppress(FileNotFoundError):
            path.unlink()
        return False
    finally:
        os.close(descriptor)


def _lead(folder: Path, load: Callable[[], Run]) -> None:
    """Carry out all requests in the folder, and those that come meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    run = load()
    pool = ThreadPoolExecutor(_PARALLEL_REQUESTS)
    try:
        _carry_out_all(folder, run, pool)
    except BaseException:
        # Otherwise the threads would insist on their calls, and the process would wait for them.
        with waiting.interrupted():
            pool.shutdown()
        raise
    pool.shutdown()


def _carry_out_all(folder: Path, run: Run, pool: Executor) -> None:
    from concurrent.futures import FIRST_COMPLETED, wait

    taken: set[Path] = set()
    running: set[Future[None]] = set()
    idle_since: float | None = None
    while True:
        new = _requests(folder) - taken
        taken |= new
        running |= {pool.submit(_carry_out, path, run) for path in new}
        if running:
            idle_since = None
            done, running = wait(running, _POLL_SECONDS, FIRST_COMPLETED)
            for future in done:
                future.result()
            continue
        idle_since = idle_since or time.monotonic()
        if len(taken) < _MANY_REQUESTS or time.monotonic() - idle_since > _LINGER_SECONDS:
            return
        time.sleep(_POLL_SECONDS)


def _carry_out(request: Path, run: Run) -> None:
    """Carry out a request, and write its result."""
    command, text = json.loads(request.read_text(encoding="utf-8"))
    outcome = json.dumps(_outcome(command, text, run)._asdict())
    new = request.with_suffix(_NEW)
    new.write_text(outcome, encoding="utf-8")
    new.rename(request.with_suffix(_RESULT))


def _outcome(command: str, text: str, run: Run) -> RequestOutcome:
    try:
        return RequestOutcome(done=run(command, text))
    except Failures as failures:
        by_name = {name: str(failure) for name, failure in failures.by_name.items()}
        return RequestOutcome(where=str(failures.where), failures=by_name)
    except BaseException as error:
        return RequestOutcome(failures={"": str(as_failure(error))})
