"""Which of the processes of a job this one is."""

from dataclasses import dataclass

import pytest

from pipelines.commands import options
from pipelines.commands.cluster.places import Place, detect, find
from pipelines.commands.errors import UserError

SLURM = {
    "SLURM_JOB_ID": "4099",
    "SLURM_JOB_NODELIST": "gpu[007-009,12],login",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
}


@dataclass(frozen=True, kw_only=True)
class Config(options.Cluster):
    """Trains."""


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, {}),
        (SLURM, {"coordinator": "gpu007:61443", "processes": 4, "process_id": 3}),
        (SLURM | {"SLURM_JOB_NODELIST": "a1,b[2-3]"}, {"coordinator": "a1:61443"}),
        (SLURM | {"SLURM_STEP_NODELIST": "b[2-3]"}, {"coordinator": "b2:61443"}),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, {}),
        (OPEN_MPI, {"coordinator": "10.96.0.1:62624", "processes": 2, "process_id": 1}),
        (
            OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": "8192.0;tcp6://[fe80::9b9b,2620::3]:43370"},
            {"coordinator": "[fe80::9b9b]:61442"},
        ),
        (OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": ""}, {"processes": 2, "process_id": 1}),
        ({"JOB_COMPLETION_INDEX": "5"}, {"process_id": 5}),
    ],
)
def test_launchers_say_in_the_environment_what_they_started(environment, found):
    detected = detect(environment)
    assert {name: detected[name] for name in found} == found
    assert bool(detected) == bool(found)


@pytest.mark.parametrize(
    ("flags", "environment", "place"),
    [
        ({}, {}, Place()),
        ({"processes": 1}, {}, Place()),
        ({}, {"JOB_COMPLETION_INDEX": "5"}, Place()),  # A Job of runs that have nothing in common.
        ({}, SLURM | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, Place()),
        ({}, SLURM, Place("gpu007:61443", 4, 3)),
        ({"coordinator": "host:7"}, SLURM, Place("host:7", 4, 3)),
        ({"processes": 1}, SLURM | {"SLURM_PROCID": "0"}, Place()),
        (
            {"coordinator": "train-0.svc:5557", "processes": 7},
            {"JOB_COMPLETION_INDEX": "5"},
            Place("train-0.svc:5557", 7, 5),
        ),
        ({"coordinator": "h:1", "processes": 3, "process_id": 2}, {}, Place("h:1", 3, 2)),
    ],
)
def test_flags_go_before_what_a_launcher_says(flags, environment, place):
    assert find(Config(**flags), environment) == place


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"coordinator": "host:7"}, {}, "--processes is missing: --coordinator alone"),
        ({"processes": 3}, {}, "--coordinator is missing: --processes alone"),
        ({"process_id": 1}, {}, "--coordinator is missing: --process-id alone"),
        ({"processes": 2, "process_id": 1}, {}, "--coordinator is missing"),
        ({}, OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": ""}, "--coordinator is missing"),
        (
            {"coordinator": "h:1", "processes": 3, "process_id": 3},
            {},
            "they are 0 to 2, not 3",
        ),
        ({"coordinator": "h", "processes": 3, "process_id": 1}, {}, "takes HOST:PORT, not 'h'"),
        ({"coordinator": "h:70000", "processes": 3, "process_id": 1}, {}, "takes HOST:PORT"),
        ({"coordinator": ":5", "processes": 3, "process_id": 1}, {}, "takes HOST:PORT"),
    ],
)
def test_flags_that_say_too_little_are_refused(flags, environment, message):
    with pytest.raises(UserError, match=message):
        find(Config(**flags), environment)


def test_numbers_are_in_their_ranges():
    least = {"devices": 1, "processes": 1, "process_id": 0, "model_parallel": 1}
    for name, value in least.items():
        Config(**{name: value})
        with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must be at least"):
            Config(**{name: value - 1})
