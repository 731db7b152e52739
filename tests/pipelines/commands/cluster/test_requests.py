"""What a backend cannot do together with others."""

from dataclasses import dataclass

import pytest

from pipelines.commands import options
from pipelines.commands.cluster.places import Place
from pipelines.commands.cluster.requests import check
from pipelines.commands.errors import UserError

SEVERAL = Place("host:1", 2, 0)


@dataclass(frozen=True, kw_only=True)
class Evaluation(options.FinishedRun):
    """Evaluates."""

    run: str = "run"


@pytest.mark.parametrize(
    ("backend", "given", "place", "message"),
    [
        ("tensorflow", options.Run(), SEVERAL, "MultiWorkerMirroredStrategy.*KERAS_BACKEND=jax"),
        ("tensorflow", options.Run(model_parallel=2), Place(), "does nothing on the TensorFlow"),
        ("tensorflow", Evaluation(devices=2), Place(), "one evaluates and predicts"),
        ("torch", options.Run(devices=2), Place(), "--devices 2: Keras has no distribution on"),
        ("torch", options.Run(), SEVERAL, "--processes 2: .* BACKEND=jax"),
        ("torch", options.Run(model_parallel=3), Place(), "--model-parallel 3: "),
    ],
)
def test_what_a_backend_cannot_do_is_refused_with_the_reason(backend, given, place, message):
    with pytest.raises(UserError, match=message):
        check(given, place, backend)


def test_all_else_is_taken():
    for backend in ("tensorflow", "jax", "torch"):
        check(options.Run(), Place(), backend)
        check(Evaluation(devices=1), Place(), backend)
    check(options.Run(devices=3), Place(), "tensorflow")
    check(options.Run(devices=4, model_parallel=2), SEVERAL, "jax")
    check(Evaluation(devices=2), SEVERAL, "jax")


def test_what_was_not_tried_on_several_devices_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Config(options.Training, options.Run):
        """Trains."""

    for given, message in (
        ({"accumulate": 3}, "accumulates gradients on one device"),
        ({"precision": "float16"}, "take bfloat16"),
    ):
        with pytest.raises(UserError, match=message):
            check(Config(devices=2, **given), Place(), "tensorflow")
        check(Config(devices=2, **given), Place(), "jax")
        check(Config(**given), Place(), "tensorflow")
