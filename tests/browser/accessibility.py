"""Axe over a part of the page, in a dark and in a light theme."""

from __future__ import annotations

import os

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

THEMES = (("JupyterLab Dark", "false"), ("JupyterLab Light", "true"))
_CHANGE = "name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name })"
_CHANGED = "light => document.body.dataset.jpThemeLight === light"


def assert_accessible(page: Page, context: str, shot: str = "") -> None:
    """Axe finds no violation in `context`, a CSS selector; the light theme is on afterwards.

    With the name of a `shot` each theme's picture goes into the folder $SHOTS, where that is set.
    """
    # JupyterLab's body has no height: axe takes all text for cut off, and looks at no colour.
    page.evaluate("document.body.style.height = '100vh'")
    try:
        for theme, light in THEMES:
            page.evaluate(_CHANGE, theme)
            page.wait_for_function(_CHANGED, arg=light)
            if shot and (shots := os.environ.get("SHOTS")):
                page.wait_for_timeout(1_000)  # colours fade over
                page.screenshot(path=f"{shots}/{shot}-{'light' if light == 'true' else 'dark'}.png")
            found = Axe().run(page, context=context)
            assert found.violations_count == 0, found.generate_report()
    finally:
        page.evaluate(_CHANGE, THEMES[-1][0])
