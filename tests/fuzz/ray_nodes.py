"""A Ray cluster of two nodes on this machine, one of which may be killed."""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

PORTS = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
PATIENT = {"RAY_raylet_start_wait_time_s": "200", "RAY_agent_register_timeout_ms": "200000",
           "RAY_gcs_server_port_wait_time_s": "200", "RAY_USAGE_STATS_ENABLED": "0"}  # a machine with other work


class Nodes:
    """Two nodes of a core each; ``address`` is that of the cluster."""

    def __init__(self, cluster: Any) -> None:
        self._cluster, self.address = cluster, cluster.address
        self._second = cluster.add_node(**_node(second=1))

    def lose(self) -> None:
        """Kill the second node, as ``kill -9`` of its raylet does; its workers are gone with it."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def replace(self) -> None:
        """Start another second node, if it has been lost."""
        if self._second not in self._cluster.worker_nodes:
            self._second = self._cluster.add_node(**_node(second=1))


@contextlib.contextmanager
def two_nodes(path: Sequence[Path]) -> Iterator[Nodes]:
    """Two nodes, whose workers find modules in ``path`` as well; RAY_ADDRESS is theirs within."""
    from ray._private import services
    from ray.cluster_utils import Cluster

    told = {**PATIENT, "PYTHONPATH": os.pathsep.join(map(str, path))}
    with mock.patch.dict(os.environ, told), mock.patch.object(services, "start_raylet",
                                                              _told_ports(services.start_raylet)):
        cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **_node(first=1)})
        try:
            nodes = Nodes(cluster)
            with mock.patch.dict(os.environ, RAY_ADDRESS=nodes.address):
                yield nodes
        finally:
            cluster.shutdown()


def _node(**resources: float) -> dict[str, Any]:
    """A node of a core, and the ports of its agents."""
    with contextlib.ExitStack() as held:
        ports = [held.enter_context(socket.create_server(("", 0))).getsockname()[1] for _ in PORTS]
    return {"num_cpus": 1, "resources": resources, **dict(zip(PORTS, ports, strict=True))}


def _told_ports(start):
    """Ray's start of a node, to whom the ports of its agents are told before: it waits 15 s for them to say so
    themselves, and ends itself, which is too short on a machine with other work."""
    from ray._raylet import persist_port

    def started(*args, **kwargs):
        given = inspect.signature(start).bind(*args, **kwargs).arguments
        for name in PORTS:
            persist_port(given["session_dir"], given["node_id"], name, given[name])
        return start(*args, **kwargs)

    return started
