"""What a served page lacks as one of no origin, and not at its server's root. Pure.

A browser refuses such a page even to look at `localStorage`, and to start a worker from a file of
its own; many a page breaks on that, or asks for `/api` where only `KEY/api` is its server's. So
each document begins with a script that keeps what the page stores until it is closed, starts
workers that load the file themselves, and sends requests where they are meant to go: nothing else
below this address answers the page anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_BYTES = 16 * 1024
"""So far from its beginning the head of a document is looked for."""

SCRIPT = rb"""<script>(() => {
  const storage = () => {
    const kept = new Map();
    const own = {
      getItem: name => kept.get(String(name)) ?? null,
      setItem: (name, value) => void kept.set(String(name), String(value)),
      removeItem: name => void kept.delete(String(name)),
      clear: () => kept.clear(),
      key: index => [...kept.keys()][index] ?? null,
      get length() { return kept.size; }
    };
    return new Proxy(own, {
      get: (_, name) => (name in own ? own[name] : kept.get(name)),
      set: (_, name, value) => Boolean(kept.set(name, String(value))),
      deleteProperty: (_, name) => (kept.delete(name), true)
    });
  };
  for (const name of ['localStorage', 'sessionStorage']) {
    try { window[name]; } catch { Object.defineProperty(window, name, { value: storage() }); }
  }
  try { document.cookie; } catch {
    Object.defineProperty(document, 'cookie', { get: () => '', set: () => undefined });
  }
  const base = location.pathname.match(/^.*?\/ports\/\d+\/[0-9a-f]{64}(?=\/)/)?.[0] ?? '';
  const mended = url => {
    const found = URL.canParse(url, document.baseURI) && new URL(url, document.baseURI);
    if (found && found.host === location.host && !found.pathname.startsWith(`${base}/`)) {
      found.pathname = base + found.pathname;
      return found.href;
    }
    return url;
  };
  const plain = window.fetch;
  window.fetch = (asked, options) => {
    if (!(asked instanceof Request)) {
      return plain(mended(asked), options);
    }
    const url = mended(asked.url);
    return plain(url === asked.url ? asked : new Request(url, asked), options);
  };
  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url, ...more) {
    return open.call(this, method, mended(url), ...more);
  };
  for (const name of ['EventSource', 'WebSocket']) {
    const Own = window[name];
    window[name] = class extends Own {
      constructor(url, options) { super(mended(url), options); }
    };
  }
  new MutationObserver(changes => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) {
        for (const name of ['href', 'src', 'action']) {
          const path = node.getAttribute?.(name);
          if (path && mended(path) !== path) {
            node.setAttribute(name, mended(path));
          }
        }
      }
    }
  }).observe(document, { childList: true, subtree: true });
  window.Worker = class extends Worker {
    constructor(url, options) {
      const file = new URL(mended(url), document.baseURI);
      const at = JSON.stringify(file.href);
      const text = options?.type === 'module' ? `import ${at};` : `importScripts(${at});`;
      const loads = new Blob([text], { type: 'text/javascript' });
      super(file.protocol.startsWith('http') ? URL.createObjectURL(loads) : url, options);
    }
  };
})();</script>"""

_HEAD = re.compile(rb"<head(?:\s[^>]*)?>", re.IGNORECASE)
_BEFORE = re.compile(rb"\s*(?:<!--.*?-->\s*)*(?:<!doctype[^>]*>)?\s*(?:<html[^>]*>)?", re.I | re.S)


def is_wanted(method: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether a browser asks for a document."""
    named = {name.lower(): value for name, value in headers}
    kind = named.get("sec-fetch-dest")
    if method != "GET" or "upgrade" in named:
        return False
    if kind is None:  # browsers say it at addresses that they trust only
        return named.get("accept", "").startswith("text/html")
    return kind in ("document", "iframe", "frame")


def is_complete(begin: bytes) -> bool:
    """Whether so much of a document shows where its head begins."""
    return len(begin) >= MOST_BYTES or _HEAD.search(begin) is not None


def furnished(begin: bytes) -> bytes:
    """The beginning of a document, with the script in front of its own."""
    found = _HEAD.search(begin, 0, MOST_BYTES) or _BEFORE.match(begin)
    at = found.end() if found else 0
    return begin[:at] + SCRIPT + begin[at:]
