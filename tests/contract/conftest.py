"""The real servers that contracts are held to."""

from tests.integration.conftest import database_url, pool, postgres_url, programs, shared_database

__all__ = ["database_url", "pool", "postgres_url", "programs", "shared_database"]
