"""Generators as a configuration describes them, each compiled once."""

from pipelines.decoding.generator import Generator

_OPTIONS = ("beams", "length_penalty", "temperature", "top_k", "top_p", "seed")
_OPTIONAL = ("coverage_penalty", "no_repeat_ngram", "min_length")


class Generators:
    """The ways in which one model decodes.

    Args:
        model: For `Generator`.
        **fixed: Arguments of `Generator` that no configuration has.
    """

    def __init__(self, model, **fixed):
        self.model = model
        self.fixed = fixed
        self._made = {}

    def get(self, config, max_length, alternatives=0):
        """The `Generator` that decodes as a configuration says.

        Args:
            config: With the fields of `pipelines.commands.options.Decoding`, and a seed.
            max_length: Most tokens of an output.
            alternatives: Further outputs of beam search, as for `Generator`.
        """
        arguments = {name: getattr(config, name) for name in _OPTIONS}
        arguments |= {name: getattr(config, name) for name in _OPTIONAL if hasattr(config, name)}
        arguments |= {"method": config.decode, "max_length": max_length, **self.fixed}
        if alternatives:
            arguments["alternatives"] = alternatives
        key = tuple(sorted(arguments.items()))
        if key not in self._made:
            self._made[key] = Generator(self.model, **arguments)
        return self._made[key]
