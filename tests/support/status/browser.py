"""A headless Chromium, steered through its DevTools protocol over a pipe: no driver, no port.

The protocol is documented with Chromium ("DevTools Protocol"); over `--remote-debugging-pipe` its
JSON messages end with a zero byte, and go in by file descriptor 3 and out by 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing but the page: no sandbox (tests run as root), no services of the browser's own.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Below any of Chromium's own numbers, above those that it is told to use.
_FIRST_FREE = 10


class BrowserError(Exception):
    """The browser has ended, or refuses a command."""


class BrowserMissingError(BrowserError):
    """There is no browser on this machine; the message says what to install."""


def executable() -> str:
    """Return the path of a Chromium; raise BrowserMissingError if there is none."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise BrowserMissingError(
        "they need Chromium or Chrome; on Debian: apt-get install chromium fonts-dejavu-core"
    )


class Browser:
    """One browser with one page. To be used in a `with` block."""

    def __init__(self, profile: Path) -> None:
        here_out, there_in = os.pipe()
        there_out, here_in = os.pipe()
        child = [fcntl.fcntl(end, fcntl.F_DUPFD, _FIRST_FREE) for end in (here_out, here_in)]

        def arrange() -> None:
            os.dup2(child[0], 3)
            os.dup2(child[1], 4)

        log = profile / "log"
        profile.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [executable(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                close_fds=False,
                preexec_fn=arrange,
            )
        for end in (here_out, here_in, *child):
            os.close(end)
        self._log = log
        self._write = os.fdopen(there_in, "wb", buffering=0)
        self._read = os.fdopen(there_out, "rb")
        self._rest = bytearray()
        self._count = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self._targets()[0]["targetId"]
        attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write.close()
        self._read.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; returns its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        try:
            self._write.write(json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise self._ended() from None
        while True:
            answer = self._message()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, page: Path, width: int, height: int, *, dark: bool = False) -> None:
        """Show a file as a screen of this size shows it, a narrow one as a phone does."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.tell("Emulation.setDeviceMetricsOverride", **metrics, mobile=width < 600)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.tell("Emulation.setEmulatedMedia", features=features)
        self.events.clear()
        self.tell("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._message()

    def run(self, script: str) -> Any:
        """What a JavaScript expression is worth on the page."""
        answer = self.tell("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element, once it is in sight."""
        found = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        at = {"x": found[0], "y": found[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, **at)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.tell("Input.insertText", text=text)

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is in sight, or of the whole page."""
        taken = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    def _targets(self) -> list[dict[str, Any]]:
        while True:
            targets: list[dict[str, Any]] = self.tell("Target.getTargets")["targetInfos"]
            pages = [target for target in targets if target["type"] == "page"]
            if pages:
                return pages

    def _message(self) -> dict[str, Any]:
        """The next message; one that answers nothing is kept as an event."""
        end = self._rest.find(b"\0")
        while end < 0:
            part = self._read.read1(1 << 20)
            if not part:
                raise self._ended()
            end = part.find(b"\0")
            end = end if end < 0 else len(self._rest) + end
            self._rest += part
        message: dict[str, Any] = json.loads(self._rest[:end])
        del self._rest[: end + 1]
        if "id" not in message:
            self.events.append(message)
        return message

    def _ended(self) -> BrowserError:
        self._process.wait()
        log = self._log.read_text(encoding="utf-8", errors="replace")
        return BrowserError(f"Chromium has ended:\n{log[-2000:]}")
