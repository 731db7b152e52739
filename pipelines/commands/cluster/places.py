"""Which of the processes of a job this one is: from flags, or from what started the job."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.commands.errors import UserError

FIRST_PORT, PORTS = 61440, 4096  # Of what a job's number is mapped to, as JAX does.


@dataclass(frozen=True)
class Place:
    """One of the processes that do the work of a command together.

    Attributes:
        coordinator: HOST:PORT of process 0; `None` of a process that is alone.
        processes: How many there are.
        process_id: Number of this one, from 0.
    """

    coordinator: str | None = None
    processes: int = 1
    process_id: int = 0


def find(options, environment: Mapping[str, str] = os.environ) -> Place:
    """Finds the place of this process.

    Args:
        options: With the fields of `pipelines.commands.options.Processes`; one process does what
            has none of them.
        environment: Where SLURM, Kubernetes and Open MPI leave what no flag says.

    Raises:
        UserError: Flags are missing, do not go together, or are no address.
    """
    if not hasattr(options, "processes"):
        return Place()
    given = {name: getattr(options, name) for name in ("coordinator", "processes", "process_id")}
    found = detect(environment)
    if all(value is None for value in given.values()) and found.get("processes", 1) == 1:
        return Place()
    known = found | {name: value for name, value in given.items() if value is not None}
    if known.get("processes") == 1 and not known.get("process_id"):
        return Place()
    for name in given:
        if known.get(name) is None:
            flag, others = "--" + name.replace("_", "-"), ", ".join(_flags(known))
            raise UserError(
                f"{flag} is missing: {others} alone does not say who belongs together, and SLURM, "
                "Kubernetes or Open MPI have not left it either"
            )
    _check(known)
    return Place(**known)


def detect(environment: Mapping[str, str]) -> dict:
    """Returns what a launcher says in the environment, as far as it does.

    - SLURM, of the tasks that `srun` starts: all three.
    - Kubernetes, of an indexed Job: the number of the process. How many there are, and how pod 0
      is called within the cluster, stands in no variable.
    - Open MPI: all three; from version 5 on without the coordinator.
    """
    for launcher in (_slurm, _open_mpi, _kubernetes):
        if found := launcher(environment):
            return {name: value for name, value in found.items() if value is not None}
    return {}


def _slurm(environment):
    count = environment.get("SLURM_STEP_NUM_TASKS")  # The script of a job has none of its own.
    if count is None or "SLURM_PROCID" not in environment:
        return None
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
    # "gpu[007-009,12],login" begins with gpu007.
    host = re.match(r"([^,\[]+)(?:\[([^,\-\]]+))?", nodes or "")
    port = _port(environment.get("SLURM_JOB_ID", "0"))
    return {
        "coordinator": f"{host[1]}{host[2] or ''}:{port}" if host else None,
        "processes": int(count),
        "process_id": int(environment["SLURM_PROCID"]),
    }


def _open_mpi(environment):
    if "OMPI_COMM_WORLD_SIZE" not in environment:
        return None
    # "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911", or in brackets after tcp6://.
    launcher = environment.get("OMPI_MCA_orte_hnp_uri", "")
    host = re.search(r"tcp6?://\[?([^,\]]+?)(?:[,\]]|:\d+$)", launcher)
    port = _port(str(int(launcher.split(".")[0]) // PORTS)) if host else None
    name = f"[{host[1]}]" if host and ":" in host[1] else host and host[1]
    return {
        "coordinator": f"{name}:{port}" if host else None,
        "processes": int(environment["OMPI_COMM_WORLD_SIZE"]),
        "process_id": int(environment["OMPI_COMM_WORLD_RANK"]),
    }


def _kubernetes(environment):
    index = environment.get("JOB_COMPLETION_INDEX")
    return None if index is None else {"process_id": int(index)}


def _port(number):
    return FIRST_PORT + int(number) % PORTS


def _flags(known):
    return ["--" + name.replace("_", "-") for name in known]


def _check(known):
    host, _, port = known["coordinator"].rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UserError(f"--coordinator takes HOST:PORT, not '{known['coordinator']}'")
    count, number = known["processes"], known["process_id"]
    if not 0 <= number < count:
        raise UserError(
            f"--process-id must be below --processes: of {count} they are 0 to {count - 1}, "
            f"not {number}"
        )
