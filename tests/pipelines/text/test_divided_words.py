"""Words of decoded ids, in pieces where no spaces are written."""

import numpy as np

from pipelines.text.divided_words import divided_words
from pipelines.text.speech_units import Units
from pipelines.text.tokenizer import Tokenizer


def test_pieces_are_whole_characters():
    tokenizer = Tokenizer.train(["ok 明天 ok 明天 लड़की"] * 2, 300)
    ids = np.array(tokenizer.encode(["ok 明天 लड़की ตา"])[0])
    words, positions = divided_words(tokenizer, ids)
    assert words == ["ok", "明天", "लड़की", "ต", "า"]
    assert [place for places in positions for place in places] == list(range(1, len(ids) - 1))
    assert [len(places) for places in positions[-2:]] == [4, 3]


def test_units_of_speech_are_pieces_too():
    units = Units.train(["我 爱 北京"] * 2, 99, "character")
    ids = np.array(units.encode(["北京 爱"])[0])
    assert divided_words(units, ids) == (["北", "京", "爱"], [[1, 2], [3], [4, 5]])
