"""This process and a Ray cluster: the way in, and out, for all runs that it has there."""

import logging
import os
import socket
import threading
from typing import Any

from evaluation.errors import ClusterError
from medseg_demo import names
from medseg_demo.settings import ROOT

_lock = threading.Lock()
_runs = [0]  # that use the connection

ANSWER_S = 5.0  # that an address has
CONNECT_S, ANSWERS = "10", "3"  # that Ray waits for each of so many tries to talk to it


def connect(address: str | None) -> Any:
    """The module of Ray, connected to a cluster, or to one that is started here; ``leave`` it at the end.

    Runs of one process share the connection, so that they name the same cluster.

    Raises:
        ClusterError: Ray is not installed, or the cluster does not answer.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_py_gcs_connect_timeout_s", CONNECT_S)
    os.environ.setdefault("RAY_worker_niceness", "0")  # of a cluster that is started here: as a run of one process
    try:
        import ray
        from ray.job_config import JobConfig
    except ImportError:
        raise ClusterError("Ray is not installed. Install it: pip install 'medseg-demo[ray]'.") from None
    if address is not None:
        _check_address(address)
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", ANSWERS)  # else 20 tries of some seconds
    with _lock:
        try:
            if not _runs[0]:
                ray.init(
                    address=address or "local", include_dashboard=False if address is None else None,
                    log_to_driver=False, logging_level=logging.ERROR,
                    job_config=JobConfig(_py_driver_sys_path=[str(ROOT)]),
                )  # fmt: skip
        except Exception as error:  # what it raises differs by version; of two versions it names both
            about = " ".join(str(error).split()).partition(" Last connection error")[0][:300]
            raise ClusterError(f"The cluster {names.shown(address or '')} cannot be used: {about}") from None
        _runs[0] += 1
    return ray


def leave(ray: Any) -> None:
    """A run has ended: the last one takes this process off the cluster."""
    with _lock:
        _runs[0] -= 1
        if not _runs[0]:
            ray.shutdown()


def _check_address(address: str) -> None:
    """Ray itself would wait for long, or end the process."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in address:
        raise ClusterError(
            f"--address {names.shown(address)} is not understood. Give the head's, such as 10.0.0.1:6379."
        )
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError):
        raise ClusterError(
            f"No cluster answers at {names.shown(address)}. Start one (ray start --head), or correct --address."
        ) from None
