"""Debian's chromium without a window, driven over the two pipes of its DevTools protocol."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium")
PATIENCE = 30.0  # seconds for one answer, or for a condition to come true

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Chromium:
    """One browser process with one page. ``events`` holds what the browser said unasked."""

    def __init__(self, profile: Path) -> None:
        assert PROGRAM is not None
        self.events: list[dict[str, Any]] = []
        self.unread, self.count = b"", 0
        # The browser reads commands from its descriptor 3 and writes to its 4: here one socket,
        # whose reads can be bounded in time.
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        nowhere = [(os.POSIX_SPAWN_OPEN, k, os.devnull, os.O_RDWR, 0) for k in (0, 1, 2)]
        ends = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), k) for k in (3, 4)]
        arguments = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.pid = os.posix_spawn(
            PROGRAM, arguments, os.environ, file_actions=[*nowhere, *ends], setpgroup=0
        )
        theirs.close()
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        targets = self.call("Target.getTargets", session=None)["targetInfos"]
        target = next(entry["targetId"] for entry in targets if entry["type"] == "page")
        self.session = self.call(
            "Target.attachToTarget", session=None, targetId=target, flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, session: str | None = "page", **parameters: Any) -> Any:
        """Send one command and return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = self.session
        self.socket.sendall(json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.unread:
            self.unread += self.socket.recv(2**20)
        message, _, self.unread = self.unread.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, url: str) -> None:
        """Load a page; the events are those since then."""
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState + location.href === {json.dumps('complete' + url)}")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, as JSON has it."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        until = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < until, f"still not true: {condition[:200]}"
            time.sleep(0.01)

    def press(self, key: str) -> None:
        """Press and let go a key, named as in JavaScript's ``event.key``."""
        codes = {"Tab": 9, "Enter": 13, "End": 35, "Home": 36}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        stroke: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **stroke, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **stroke)

    def click(self, selector: str) -> None:
        """Click where the element is, once it is scrolled into sight."""
        x, y = self.run(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
            " element.scrollIntoView({block: 'center'});"
            " const box = element.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def window(self, width: int, height: int = 800, **features: str) -> None:
        """Set the window's size, and media features such as ``prefers_color_scheme="dark"``."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        pairs: Mapping[str, str] = {key.replace("_", "-"): features[key] for key in features}
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in pairs.items()],
        )

    def close(self) -> None:
        """End the browser and all that it started."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.socket.close()


def axe_core(folder: Path) -> str:
    """The text of axe-core, which looks for barriers in a page; skips where npm cannot get it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm for axe-core")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "axe-core@4"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not script.exists():
        pytest.skip("needs axe-core, which npm could not install")
    return script.read_text("utf-8")


def barriers(browser: Chromium) -> list[str]:
    """What axe-core, which runs in the page already, finds with everything opened."""
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
    browser.run("found = null; axe.run().then(r => { found = r.violations }); 0")
    browser.wait("found !== null")
    said: list[str] = browser.run(
        "found.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))"
    )
    return said
