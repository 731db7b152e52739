"""One process of a job that trains some steps: `python -m tests.apps.cluster_job SETTINGS FILE`.

The losses of the steps are written to the file. `losses` runs all processes of a job.
"""

import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.apps import commands
from tests.apps.commands import ROOT

SMALL = {
    "translation": {
        **{"dim": 16, "mlp_dim": 28, "num_heads": 2, "encoder_layers": 1, "decoder_layers": 1},
        **{"vocabulary_size": 300, "tokens_per_batch": 120},
    },
    "captioning": {
        **{"decoder": "transformer", "decoder_layers": 1, "dim": 16, "num_heads": 2},
        **{"max_train": 24, "image_size": 24, "steps_per_execution": 1},
    },
}


def environment(backend):
    """Of a process on a backend; what else is on the path stays there."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(paths)}


def free_port():
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def places(processes):
    """The flags of each process of a job on this machine."""
    if processes == 1:
        return [{}]
    job = {"coordinator": f"127.0.0.1:{free_port()}", "processes": processes}
    return [{**job, "process_id": number} for number in range(processes)]


def losses(folder, application, backend, processes=1, **settings):
    """The losses of the steps that processes train together, as each of them has it."""
    jobs = []
    for number, place in enumerate(places(processes)):
        path = folder / f"{len(list(folder.iterdir()))}-{number}.json"
        path.touch()
        words = json.dumps({"application": application, "place": place, **settings})
        command = [sys.executable, "-m", "tests.apps.cluster_job", words, str(path)]
        process = subprocess.Popen(command, cwd=ROOT, env=environment(backend))
        jobs.append((process, path))
    with contextlib.ExitStack() as stack:
        for process, _ in jobs:
            stack.callback(process.kill)
        assert [process.wait(timeout=400) for process, _ in jobs] == [0] * processes
    return [json.loads(path.read_text()) for _, path in jobs]


def start(application, folder, processes=2, **flags):
    """Starts the processes of a training in a folder, with pipes to both outputs."""
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-m", f"apps.{application}.train"),
                *commands.flags(**flags, **place),
            ],
            cwd=folder,
            env=environment("jax"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places(processes)
    ]


def train(application, place, steps, copies, checkpoint=None, **flags):
    """Trains the same few batches, whatever the devices; returns the mean loss until each step.

    With a folder for a checkpoint, it is written, or if there is one it is read, and the sums of
    all variables behind it are returned.
    """
    from pipelines.commands import devices
    from pipelines.commands.cluster import places, processes

    settings = {"device": "cpu", **SMALL[application], **flags, **place}
    config = importlib.import_module(f"apps.{application}.config").Config(**settings)
    with processes.together(config, places.find(config, {})) as prepare:
        devices.start("cpu", 1, prepare)
        import keras

        import layers
        from pipelines.training import fitting
        from pipelines.training.distributed import distribution
        from pipelines.training.token_loss import TokenCrossentropy

        keras.utils.set_random_seed(0)
        distribution.begin(config, layers.ModelParallel)
        batches, network = _parts(application, config)
        batches = batches.over(copies)
        loss = TokenCrossentropy(0.1)
        fitting.compile_model(network, config, batches, epochs=9, loss=loss)
        found = []
        note = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: found.append(float(logs["loss"]))
        )
        network.fit(
            batches.open(0, *distribution.part()),
            steps_per_epoch=steps,
            verbose=0,
            callbacks=[note],
        )
        return found if checkpoint is None else _sums(network, Path(checkpoint))


def _sums(network, folder):
    """The sums of all variables, once they have gone through a checkpoint, or come out of one."""
    import numpy as np

    from pipelines.training import checkpoints
    from pipelines.training.distributed import distribution

    variables = [*network.variables, *network.metrics_variables, *network.optimizer.variables]

    def sums():
        with distribution.apart(network):
            values = [np.asarray(v.value, "float64") for v in variables]
        return [[float(value.sum()), float((value**2).sum())] for value in values]

    if not list(folder.glob("step-*")):
        before = sums()
        checkpoints.save(folder, 7, variables, {"epoch": 3})
        for variable in variables:
            variable.assign(0 * variable.value)
        assert sums() != before
        checkpoints.newest(folder).assign(variables)
        assert sums() == before
    read = checkpoints.newest(folder)
    assert read.state == {"epoch": 3}
    read.assign(variables)
    return sums()


def _parts(application, config):
    """Batches of one shape, and the model."""
    data = importlib.import_module(f"apps.{application}.data")
    model = importlib.import_module(f"apps.{application}.model")
    rows = data.read(config, wanted=("train",))["train"]
    if application == "translation":
        rows = [row for row in rows if len(row["source"]) == 10 == len(row["target"])][:40]
        tokenizer = data.train_tokenizer(rows, config)
        batches = data.training_batches(rows, tokenizer, config)
        return batches, model.build(config, tokenizer.vocabulary_size)
    tokenizer = data.train_tokenizer(rows, config)
    images = data.open_split(rows, config)
    batches = data.training_batches(images, data.group_captions(images, tokenizer, config), config)
    return batches, model.build(config, images.arrays[0].shape[1:], tokenizer.vocabulary_size)


if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    Path(sys.argv[2]).write_text(json.dumps(train(**settings)))
