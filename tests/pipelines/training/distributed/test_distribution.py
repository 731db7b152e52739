"""One model on several devices."""

import pytest

from pipelines.commands import options
from pipelines.commands.cluster import processes
from pipelines.commands.cluster.places import Place
from pipelines.commands.errors import UserError
from pipelines.training.distributed import distribution


@pytest.mark.parametrize(("devices", "each", "share"), [(3, 3, 2), (4, 4, 3), (6, 3, 2), (2, 2, 4)])
def test_devices_that_cannot_be_shared_out_are_refused(monkeypatch, devices, each, share):
    place = Place("host:1", devices // each, 0)
    monkeypatch.setattr(processes._job, "place", place)
    names = [f"cpu:{number}" for number in range(devices)]
    message = f"--model-parallel {share}: there are {devices} devices, {each} in each process"
    with pytest.raises(UserError, match=message):
        distribution._jax_distribution(names, share, None)


def test_one_device_needs_nothing():
    distribution.begin(options.Run())
    assert distribution.copies() == 1 and distribution.part() == (0, 1)
    with distribution.apart(None):
        assert distribution.copies() == 1
    distribution.end()
