"""Options that go with one task alone."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from apps.understanding.tasks import DEFAULTS
from pipelines.commands.mechanisms import SINGLE_HEAD
from pipelines.commands.options import Options
from pipelines.commands.ranges import at_least


@dataclass(frozen=True, kw_only=True)
class Task(Options):
    """What a run is for."""

    GROUP: ClassVar = ""

    task: Literal[tuple(DEFAULTS)] = "sentiment"
    """Task: a label for each text (sentiment), the named entities in a sentence (ner), or answers
    to questions about a context (qa)."""


@dataclass(frozen=True, kw_only=True)
class Sentiment(Options):
    """The classifier of texts."""

    GROUP: ClassVar = "model"

    multi_label: bool = False
    """sentiment only: give each text any number of labels, with a sigmoid for each."""

    def __post_init__(self):
        super().__post_init__()
        if self.multi_label and self.task != "sentiment":
            raise ValueError("--multi-label goes with --task sentiment")


@dataclass(frozen=True, kw_only=True)
class Entities(Options):
    """The tagger of sentences."""

    GROUP: ClassVar = "model"

    crf: bool = True
    """ner only: choose the tags of a sentence together, by a conditional random field (CRF)."""


@dataclass(frozen=True, kw_only=True)
class Matching(Options):
    """How a context is compared with a question."""

    GROUP: ClassVar = "model"

    question_attention: bool = True
    """qa only: context-to-question attention; without it, the question is encoded apart, as one
    vector."""
    matching: Literal[SINGLE_HEAD] = "luong_dot"
    """qa only: mechanism of the context-to-question attention."""


@dataclass(frozen=True, kw_only=True)
class Windows(Options):
    """How a long context is read."""

    GROUP: ClassVar = "data"
    RANGES: ClassVar = {at_least(1): "overlap max_question"}

    overlap: int = 64
    """qa only: tokens that consecutive windows of a context share."""
    max_question: int = 48
    """qa only: maximum question length in tokens; longer questions are truncated."""

    def __post_init__(self):
        super().__post_init__()
        room = self.max_length - 3 - self.max_question
        if self.task == "qa" and room <= self.overlap:
            raise ValueError(
                f"--max-length {self.max_length} must be more than --max-question "
                f"{self.max_question}, --overlap {self.overlap} and three tokens together"
            )


@dataclass(frozen=True, kw_only=True)
class Answers(Options):
    """How an answer is chosen."""

    GROUP: ClassVar = "decoding"
    RANGES: ClassVar = {at_least(1): "max_answer"}

    max_answer: int = 30
    """qa only: maximum answer length in tokens."""


@dataclass(frozen=True, kw_only=True)
class Question(Options):
    """What a finished run answers."""

    GROUP: ClassVar = "input"

    question: str | None = None
    """qa only: question to answer out of the context in --input."""
