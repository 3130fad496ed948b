# SPDX-License-Identifier: Apache-2.0
"""How processes are started: forked from one clean server that has loaded the services once."""

import multiprocessing
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

# The server is a fresh process of one thread, so forking it is safe where forking the city would not be; a dozen
# processes then start in a tenth of the time. libsumo is never loaded in it: one simulation, one process.
PRELOADED = ["lamplighter.runtime.preload"]


def context() -> ForkServerContext:
    """Return the context from which every child process is started."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(PRELOADED)
    return server


def start_server() -> None:
    """Start the server now, so that it loads the services while this process does something else."""
    context()
    forkserver.ensure_running()
