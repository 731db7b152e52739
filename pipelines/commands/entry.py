"""The entry point of every command: flags, device, a quiet start, errors in one line."""

import functools
import os
import sys
from collections.abc import Callable

from pipelines.commands import devices, errors, flags, left_out, resume, runs
from pipelines.commands.cluster import places, processes
from pipelines.commands.disk import files, prepared_data


def command(
    options: type,
    config_class: type | None = None,
    *,
    resolve: Callable | None = None,
    read: Callable | None = None,
    **parsing,
) -> Callable:
    """Makes a function the command of its module, `python -m MODULE`.

    When the function is called, TensorFlow and Keras have been imported on the device that was
    asked for. What it imports of the application is to be imported inside it, so that `--help` and
    a mistake in a flag are answered at once.

    Args:
        options: The dataclass that the flags are read into. The function is called with it.
        config_class: Of a command on a finished run, the class of its configuration. The function
            is called with that as well: the run's, overridden by the flags.
        resolve: In place of the usual way to this configuration: takes the options, returns it.
            Without `config_class`, it returns what the function is called with.
        read: Takes all that the function is called with, and reads what else it needs, before
            anything slow begins. The function is called with its result, last.
        **parsing: For `flags.parse`.

    Returns:
        A decorator. The command ends as `errors.main` describes.
    """
    if hasattr(options, "resume"):
        parsing["defaults"] = functools.partial(_defaults, options, parsing.get("defaults"))
    if config_class is not None:
        resolve = resolve or functools.partial(runs.configure, config_class)

    def decorate(function):
        @errors.main
        @functools.wraps(function)
        def main(argv=None):
            given = flags.parse(options, argv, prog=f"python -m {_module(function)}", **parsing)
            if hasattr(given, "resume"):
                prepared_data.check(given)
            devices.give_libraries_a_cache()
            os.environ[files.SIZE_VARIABLE] = str(given.cache_size)
            place = places.find(given)
            with runs.under_way(), processes.together(given, place) as prepare:
                arguments = [given] if resolve is None else [resolve(given)]
                config = arguments[-1]
                if config_class is not None:
                    arguments.insert(0, given)
                left_out.begin(getattr(config, "max_skipped", None))
                if read is not None:
                    arguments.append(read(*arguments))
                devices.start(given.device, config.op_threads, prepare)
                return function(*arguments)

        return main

    return decorate


def _defaults(options, further, given):
    """What takes the place of a training's defaults: its run, another model's, its data set's."""
    if resume.is_named(given.resume):
        return resume.configuration(options, given)
    return {**(further(given) if further else {}), **prepared_data.adopted(given)}


def _module(function):
    """The name of a module, also of the one that runs as `__main__`."""
    spec = sys.modules[function.__module__].__spec__
    return spec.name if spec else function.__module__
