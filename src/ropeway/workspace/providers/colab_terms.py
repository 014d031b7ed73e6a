"""Google's terms for VMs of Colab: told once on each machine, and confirmed there."""

from __future__ import annotations

import time

from ropeway import config
from ropeway.errors import BadInput

TEXT = """\
A Colab VM is Google's machine, used through Google's own `colab` program with your account.
Ropeway and Google have nothing to do with each other; Google's terms hold between Google and you:
  https://research.google.com/colaboratory/tos_v6.html
  https://research.google.com/colaboratory/faq.html#limitations-and-restrictions
As the FAQ was last seen, no VM may be used for file hosting or web services, torrents, connecting
to remote proxies, mining, attacks, or several accounts. Without a positive balance of compute units
Google may end a VM at any time that is controlled from elsewhere instead of Colab's own page, and
whether this counts as such is not told there. A VM that runs costs compute units, idle or not.
Ropeway keeps no VM alive by itself, and stops one that is idle while a workspace is open."""

_FILE = "terms.txt"


def confirmed() -> bool:
    """Whether somebody on this machine has confirmed them."""
    return (config.state_dir() / "colab" / _FILE).is_file()


def confirm() -> None:
    """They were read: keep what was confirmed, and when."""
    folder = config.private_dir(config.state_dir() / "colab")
    when = time.strftime("%Y-%m-%d %H:%M:%S %z")
    config.write_private(folder / _FILE, f"Confirmed on {when}:\n\n{TEXT}\n")


def check() -> None:
    """Raises `BadInput` until they are confirmed."""
    if not confirmed():
        raise BadInput(
            "Google's terms for Colab VMs have not been confirmed on this machine.",
            hint="`ropeway connect colab`, in a terminal, shows them once and asks; it signs you "
            "in to Google as well.",
        )
