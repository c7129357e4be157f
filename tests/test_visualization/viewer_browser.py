"""A headless Chromium for the tests of the viewer, and what they read off a page."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
# A software GPU is everywhere; a sandbox is not possible in a container or as root.
OPTIONS = ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader']
STILL = 'body[data-ready=yes][data-still=yes]'


@contextmanager
def open_browser() -> Iterator[Any]:
    """A browser; the test is skipped without one (`.ci/run` does not allow that)."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        pytest.skip('needs Chromium (apt-get install chromium) and pip install playwright')
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


class Viewer:
    """A page in a browser; a test that leaves an error or a request behind fails.

    Args:
        page: A page of playwright.
        path: The file of the viewer.
    """

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.problems = page, []
        page.on('pageerror', lambda error: self.problems.append(str(error)))
        page.on('console', lambda line: self.problems.append(line.text))
        page.on('request', lambda request: self.check_request(request.url))
        page.on('dialog', lambda dialog: self.problems.append(f'dialog {dialog.message}'))
        self.path = path
        page.goto(path.as_uri())
        page.wait_for_selector(STILL)

    def check_request(self, url: str) -> None:
        if url != self.path.as_uri() and not url.startswith(('data:', 'blob:')):
            self.problems.append(f'request of {url}')

    def picture(self) -> np.ndarray:
        """What the stage shows, (H, W, 3) int."""
        self.page.wait_for_selector(STILL)
        shot = self.page.locator('#stage').screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert('RGB')).astype(int)

    def unchanging(self, actions: Mapping[str, Callable[[], Any]]) -> list[str]:
        """The actions, one after the other, that do not change the picture."""
        before, found = self.picture(), []
        for name, action in actions.items():
            action()
            after = self.picture()
            if np.array_equal(before, after):
                found.append(name)
            before = after
        return found

    def changes(self, action: Callable[[], Any]) -> bool:
        """Whether an action changes the picture."""
        return not self.unchanging({'action': action})

    def click(self, name: str, scope: str = 'body') -> None:
        """Click a button by its text."""
        self.page.locator(scope).get_by_role('button', name=name, exact=True).click()

    def set_range(self, selector: str, value: float) -> None:
        """Move a slider as a user does."""
        self.page.locator(selector).fill(str(value))

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def middle(self) -> tuple[float, float]:
        """The middle of the stage on the screen."""
        box = self.page.locator('#stage').bounding_box()
        return box['x'] + box['width'] / 2, box['y'] + box['height'] / 2

    def hover(self, x: float, y: float) -> str:
        """The readout with the mouse so many pixels from the middle of the stage."""
        middle = self.middle()
        self.page.mouse.move(middle[0] + x, middle[1] + y)
        return self.text('#readout')
