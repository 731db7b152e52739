from pipelines.decoding.result import Alternative, Result


def test_the_attention_is_made_when_it_is_first_asked_for():
    made = []

    def look():
        made.append("map")
        return made[-1]

    result = Result(score=-0.5, alternatives=(Alternative("other", -0.75),), look=look)
    assert not made
    assert result.attention is result.attention
    assert made == ["map"]
    assert result.alternatives[0].text == "other"
    assert "look" not in repr(result)
