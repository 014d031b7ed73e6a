"""`google.colab.sql`."""

from __future__ import annotations

from ropeway.kernel.colab.sql import bigquery

__all__ = ["bigquery"]
