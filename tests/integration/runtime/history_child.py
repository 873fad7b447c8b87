"""A process that works on history beside itself, as one that has other roles does, until it is killed."""

import asyncio
import os

from kamiyo.kit import logging
from kamiyo.runtime.backfilling import work_on_history
from kamiyo.runtime.settings import load


def main() -> None:
    logging.configure(json=True)
    settings = load(os.environ)
    assert settings.database_url is not None
    asyncio.run(work_on_history(settings, settings.database_url.reveal(), beside=True))


if __name__ == "__main__":
    main()
