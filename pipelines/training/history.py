"""The history of a training, as a table and for TensorBoard, without a seam where it went on."""

import shutil
from pathlib import Path

import keras
import tensorflow as tf
from keras import ops

from pipelines.commands.cluster import processes
from pipelines.commands.disk import files


class History(keras.callbacks.Callback):
    """Writes the metrics of every epoch, after the callbacks that add some.

    Both files are written anew from all epochs when training goes on after it was killed: nothing
    is missing in them, and nothing stands there twice.

    Args:
        path: The table, `history.csv`; an epoch a line, counted from 0.
        logs: Folder of the logs of TensorBoard: the learning rate and the metrics of training in
            `train`, those of validation in `validation`.
    """

    def __init__(self, path, logs):
        super().__init__()
        self.path, self.logs = Path(path), Path(logs)
        self.rows, self.rates = [], []
        self._writers = None

    def state(self):
        """What a checkpoint has to keep."""
        return {"rows": self.rows, "rates": self.rates}

    def restore(self, state):
        self.rows, self.rates = list(state["rows"]), list(state["rates"])

    def on_epoch_begin(self, epoch, logs=None):
        if not processes.first():
            return
        if self._writers is None:  # Not sooner, as the checkpoint is read at the first epoch.
            shutil.rmtree(self.logs, ignore_errors=True)
            self._writers = {}
            for row, rate in zip(self.rows, self.rates, strict=True):
                self._log(row, rate)

    def on_epoch_end(self, epoch, logs=None):
        if not processes.first():
            return
        row = {"epoch": epoch, **{name: float(value) for name, value in sorted(logs.items())}}
        rate = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self.rows.append(row)
        self.rates.append(rate)
        names = list(dict.fromkeys(name for each in self.rows for name in each))
        table = [names, *([each.get(name, "NA") for name in names] for each in self.rows)]
        files.write_csv(self.path, table)
        self._log(row, rate)

    def _log(self, row, rate):
        values = {name: value for name, value in row.items() if name != "epoch"}
        for name, value in {**values, "learning_rate": rate}.items():
            split = "validation" if name.startswith("val_") else "train"
            if split not in self._writers:
                self._writers[split] = tf.summary.create_file_writer(str(self.logs / split))
            with self._writers[split].as_default():
                tf.summary.scalar(f"epoch_{name.removeprefix('val_')}", value, row["epoch"])
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        for writer in (self._writers or {}).values():
            writer.flush()
