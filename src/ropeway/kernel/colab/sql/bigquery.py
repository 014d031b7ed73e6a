"""`google.colab.sql.bigquery`: what Colab's SQL cells run."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["run", "set_credentials", "validate"]

_credentials: list[Any] = [None]


def set_credentials(credentials: Any) -> None:
    """Credentials for the queries to come; without, google-cloud-bigquery finds those of this
    machine."""
    _credentials[0] = credentials


def validate(query: str) -> None:
    """Let BigQuery check a query without running it. Raises what it answers."""
    client, package = _client()
    client.query(query, job_config=package.QueryJobConfig(dry_run=True))


def run(query: str) -> Any:
    """The rows of a query in BigQuery, as a pandas DataFrame. Raises what BigQuery answers."""
    client, _ = _client()
    return client.query(query).result().to_dataframe()


def _client() -> tuple[Any, Any]:
    try:
        package = importlib.import_module("google.cloud.bigquery")
    except ImportError:
        raise ImportError(
            "SQL cells run in BigQuery by Google's package google-cloud-bigquery: "
            "%pip install google-cloud-bigquery db-dtypes"
        ) from None
    return package.Client(credentials=_credentials[0]), package
