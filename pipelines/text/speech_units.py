"""What transcripts are made of: subwords, characters or words."""

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Model

from pipelines.text import scripts
from pipelines.text.tokenizer import SPECIAL, Tokenizer

KINDS = ("subword", "character", "word")
UNKNOWN = "[UNK]"


class Units(Tokenizer):
    """Transcripts to unit ids and back.

    The alphabet is that of the training transcripts: CTC has an output for every unit, and bytes
    that nobody says would be in its way. What they lack becomes `[UNK]`, id 3. A unit that begins a
    word begins with a mark, so that texts come back as they were, white space apart.
    """

    SPACE = "▁"
    PATTERNS = (f"{SPACE}?{scripts.CHARACTER}",)
    unknown = len(SPECIAL)

    @classmethod
    def train(cls, texts, vocabulary_size, kind="subword"):
        """Makes the units from `texts`, which must be those of the training split alone.

        Args:
            texts: Transcripts.
            vocabulary_size: Most entries. Characters are all kept, whatever this is.
            kind: "subword" (byte-pair encoding; Sennrich et al., 2016), "character" or "word",
                which is a character where no spaces are written between words.
        """
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: kind={kind!r}")
        word = kind == "word"
        model = Model((models.WordLevel if word else models.BPE)(unk_token=UNKNOWN))
        cuts = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
        if word:  # Of Chinese or Thai all that stands between spaces would be one.
            cuts.append(pre_tokenizers.Split(Regex(cls.PATTERNS[0]), "isolated"))
        model.pre_tokenizer = pre_tokenizers.Sequence(cuts)
        model.decoder = decoders.Metaspace(prepend_scheme="always")
        options = {"special_tokens": [*SPECIAL, UNKNOWN], "show_progress": False}
        if word:
            trainer = trainers.WordLevelTrainer(vocab_size=vocabulary_size, **options)
        else:
            # Of no more than the alphabet: no merges.
            size = 0 if kind == "character" else vocabulary_size
            trainer = trainers.BpeTrainer(vocab_size=size, min_frequency=2, **options)
        model.train_from_iterator(texts, trainer)
        return cls(model)
