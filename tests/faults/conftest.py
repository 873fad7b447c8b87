"""The real servers that are disturbed."""

from tests.integration.conftest import database_url, pool, postgres_url, programs, shared_database

__all__ = ["database_url", "pool", "postgres_url", "programs", "shared_database"]
