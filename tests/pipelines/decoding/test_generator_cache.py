from dataclasses import dataclass, replace

from pipelines.commands import options
from pipelines.decoding.generator_cache import Generators


@dataclass(frozen=True, kw_only=True)
class Config(options.Decoding):
    """Decodes."""

    min_length: int = 1
    seed: int = 5


def test_a_generator_is_as_the_configuration_says_and_made_once():
    made = Generators("model", forbidden=(7,))
    config = Config(decode="beam", beams=3, length_penalty=0.5, top_k=4, top_p=0.8, min_length=2)
    generator = made.get(config, 11)
    assert (generator.model, generator.method, generator.max_length) == ("model", "beam", 11)
    assert (generator.beams, generator.length_penalty, generator.min_length) == (3, 0.5, 2)
    assert (generator.top_k, generator.top_p, generator.forbidden) == (4, 0.8, (7,))
    assert (generator.no_repeat_ngram, generator.coverage_penalty) == (0, 0.0)
    assert made.get(replace(config, decode_batch_size=3), 11) is generator
    assert made.get(config, 12) is not generator
    greedy = made.get(replace(config, decode="greedy"), 11)
    assert (greedy.method, greedy.beams) == ("greedy", 1)
