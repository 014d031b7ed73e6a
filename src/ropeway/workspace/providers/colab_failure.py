"""What Google's `colab` program gave up for, and what we make of it. Pure.

Its exit code is 1 for everything. What says more is its log, which has the status of each answer
of Colab's, and stderr. Both may hold tokens: nothing of them is repeated but the program's own
sentences.
"""

from __future__ import annotations

import re

from ropeway.errors import RopewayError, StartFailed, TokenRefused, Unreachable

SIGN_IN = "Sign in, in a terminal: `ropeway connect colab --sign-in`."


def failure(said: str, log: str, what: str) -> RopewayError:
    """The error behind a call that failed; `what` is the hardware that was asked for."""
    told = f"{said}\n{log}\n{_answer(log)}"
    for pattern, kind, message, hint in _MEANINGS:
        if re.search(pattern, told):
            return kind(message.format(what=what), hint=hint)
    sentences = re.findall(r"^\[colab\] (.+)$", said, re.MULTILINE)
    why = sentences[-1][:300].rstrip(".") if sentences else "it does not say why"
    return StartFailed(
        f"Google's `colab` program failed: {why}.",
        hint="Try again. Colab's own page shows whether it works at all: "
        "https://colab.research.google.com.",
    )


def not_signed_in() -> TokenRefused:
    """Nobody has signed in to Google on this machine."""
    return TokenRefused("Nobody is signed in to Colab on this machine.", hint=SIGN_IN)


def _answer(log: str) -> str:
    """Colab's last answer: `[status 412]`, `[status 200 outcome 2]`."""
    *_, last = ("", *re.split(r"(?=Response: \d{3} )", log))
    status = re.match(r"Response: (\d{3}) ", last)
    outcome = re.search(r'"outcome":\s*(\d+)', last)
    words = [
        "status",
        status[1] if status else "none",
        *(["outcome", outcome[1]] if outcome else []),
    ]
    return f"[{' '.join(words)}]"


_LIMIT = (
    StartFailed,
    "Colab gives you no VM now: too many of yours run, or a limit of your account is reached.",
    "End one (`ropeway disconnect NAME --stop`, or Runtime ▸ Manage sessions in Colab's page), "
    "wait, or ask for other hardware.",
)
_MEANINGS: tuple[tuple[str, type[RopewayError], str, str], ...] = (
    (
        r"Max retries exceeded|NameResolutionError|ConnectTimeout|ReadTimeout|ConnectionError",
        Unreachable,
        "Colab cannot be reached from this machine.",
        "Is it online? Colab's own page shows whether Colab works.",
    ),
    (
        r"authorize colab-cli|Enter the authorization code|\[status 401",
        TokenRefused,
        "Nobody is signed in to Colab on this machine, or the sign-in has ended: "
        "`ropeway connect colab --sign-in`.",
        SIGN_IN,
    ),
    (r"\[status 412|\[status 200 outcome [12]\]", *_LIMIT),
    (
        r"\[status 200 outcome 5\]|\[status 403",
        StartFailed,
        "Colab refuses this Google account.",
        "Colab's own page says why, and what to do.",
    ),
    (
        r"\[status 400",
        StartFailed,
        "Your Google account may not use {what} at Colab.",
        "Ask for other hardware, such as --gpu T4, or look at what your subscription has: "
        "https://colab.research.google.com/signup.",
    ),
    (
        r"\[status 50[234]",
        StartFailed,
        "Colab has no VM with {what} free now.",
        "Try again later, or ask for other hardware.",
    ),
)
"""What was said and answered, and what that means; the first that fits."""
