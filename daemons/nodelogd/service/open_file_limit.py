"""The limit of open files (`RLIMIT_NOFILE`), which bounds the number of connections."""

import logging
import resource
from typing import Final

LOG: Final = logging.getLogger(__name__)


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit of open files to the hard limit; return `wanted`, or the limit if it is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        LOG.warning("cannot raise the limit of open files from %d to %d: %s", soft, hard, error)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
