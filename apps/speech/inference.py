"""A trained speech recognizer, for Python and for the commands."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import layers
from apps.speech import config as configuration
from apps.speech import data, maps
from pipelines.audio import front_ends, log_mel, whisper
from pipelines.audio.normalization import Normalization
from pipelines.commands import runs
from pipelines.commands.terminal import console
from pipelines.decoding.ngrams import NGramModel
from pipelines.decoding.result import Alternative, Result
from pipelines.decoding.transcriber import Heard, Transcriber
from pipelines.maps import speech_maps
from pipelines.metrics import attention_health, word_error_rate
from pipelines.text.speech_units import Units
from pipelines.text.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False, kw_only=True)
class Transcription(Result):
    """What was said in an utterance.

    Attributes:
        file_name: Its file; empty where the samples were given.
        text: The transcript.
        words: Of each word its text, and where it starts and ends, in seconds.
        heard: Units, their attention weights over the audio, and what CTC says.
    """

    file_name: str
    text: str
    words: tuple
    heard: Heard = dataclasses.field(repr=False)


class Recognizer:
    """A speech recognition model, with what stands before and behind it.

    Example:
    ```python
    recognizer = Recognizer.load("runs/speech/latest")     # or "whisper_tiny_en"
    result = recognizer.predict("recording.wav", beams=4)[0]
    print(result.text, result.words, result.score)
    result.attention.save("map.html")
    ```

    Args:
        model: A model that `apps.speech.model.build` made, or a `layers.Whisper`.
        tokenizer: Its `Units`, or the `Tokenizer` of a Whisper.
        front_end: Its front end, see `pipelines.audio.front_ends`.
        config: The run's `Config`: how audio is transcribed unless said otherwise.
        language_model: Opens the `NGramModel` of the training transcripts, which is asked for only
            where it counts; a Whisper has none.
    """

    def __init__(self, model, tokenizer, front_end, config, language_model=None):
        self.model = model
        self.tokenizer = tokenizer
        self.front_end = front_end
        self.config = config
        self._open_language_model = language_model
        self._transcribers = {}

    @classmethod
    def load(cls, run, config=None, **decoding):
        """Opens a finished run, or a pretrained Whisper.

        Args:
            run: The folder of the run, or the folder or name of the KerasHub preset of a Whisper.
            config: A `Config` in place of the one that belongs to it.
            **decoding: Fields of the configuration to replace, such as `decode="ctc"`.

        Raises:
            UserError: This is neither, or a file in it is damaged.
        """
        config = dataclasses.replace(config or configuration.find(run), **decoding)
        folder = Path(run)
        if config.whisper is None:
            model, tokenizer = runs.load_model(folder, layers.SpeechToText), Units.load(folder)
            for head in (model, model.decoder):
                if (tokens := getattr(head, "vocabulary_size", None)) is not None:
                    runs.check_together(folder, "tokens", tokenizer.vocabulary_size, tokens)
            front_end = front_ends.LogMels(Normalization.load(folder), config.max_seconds)
            language_model = functools.partial(_load_language_model, folder, tokenizer)
            return cls(model, tokenizer, front_end, config, language_model)
        if (folder / "model.keras").is_file():
            opened = whisper.Pretrained(
                runs.load_model(folder, layers.Whisper),
                Tokenizer.load(folder),
                whisper.load_extractor(folder),
            )
            tokens = opened.model.vocabulary_size
            runs.check_together(folder, "tokens", opened.tokenizer.vocabulary_size, tokens)
        else:
            opened = whisper.load(config.whisper, layers.Whisper)
        front_end = front_ends.WhisperMels(opened.extractor, config.max_seconds)
        return cls(opened.model, opened.tokenizer, front_end, config)

    @functools.cached_property
    def language_model(self):
        """The `NGramModel` of the training transcripts."""
        return self._open_language_model()

    def save_preprocessing(self, folder):
        """Writes what `load` reads besides the model."""
        self.tokenizer.save(folder)
        self.front_end.save(folder)
        if self.config.whisper is None:
            self.language_model.save(folder)

    def predict(self, inputs, alternatives=None, **decoding):
        """Transcribes audio of any length.

        Args:
            inputs: Paths of audio files, arrays `(n,)` of float samples at 16 kHz, or rows with a
                `file_name` and perhaps, for the map, a `text`. Or `data.Utterances`.
            alternatives: How many further outputs of beam search each result has, at most; by
                default all of the beam. One that was transcribed in pieces has none.
            **decoding: Fields of the configuration to replace, such as `decode="ctc"`.

        Returns:
            A `Transcription` for each; its score is what it was ranked by, a log-probability, see
            `pipelines.decoding.transcriber.Heard`.

        Raises:
            UserError: A file is missing or is no audio.
        """
        config = dataclasses.replace(self.config, **decoding)
        if not isinstance(inputs, data.Utterances):
            alone = isinstance(inputs, str | Path | dict) or getattr(inputs, "ndim", 0) == 1
            inputs = data.Utterances.of([inputs] if alone else inputs)
        if alternatives is None:
            alternatives = config.beams - 1 if config.method != "ctc" else 0
        heard = self._transcriber(config, alternatives).transcribe(
            inputs.heard_by(self.front_end), config.decode_batch_size
        )
        return [self._result(inputs, place, one, config) for place, one in enumerate(heard)]

    def _transcriber(self, config, alternatives):
        """What transcribes as a configuration says, compiled once."""
        arguments = {
            "method": config.method,
            "max_length": config.max_target,
            "beams": config.beams,
            "ctc_weight": config.decode_ctc_weight,
            "length_penalty": config.length_penalty,
            "language_model_weight": config.language_model_weight,
            "language_model_bonus": config.language_model_bonus,
            "alternatives": alternatives,
        }
        key = tuple(arguments.values())
        if key not in self._transcribers:
            model = self.language_model if config.language_model_weight else None
            self._transcribers[key] = Transcriber(
                self.model, self.tokenizer, self.front_end, language_model=model, **arguments
            )
        return self._transcribers[key]

    def _result(self, utterances, place, heard, config):
        row = utterances.rows[place]

        def look():
            samples = utterances.recordings[place]
            return speech_maps.speech_map(
                _within_sound(heard),
                self.tokenizer,
                log_mel.log_mel(samples).numpy(),
                reference=row.get("text", ""),
                name=Path(row["file_name"]).name,
                sound=samples,
                seconds_per_position=self.front_end.seconds,
                normalize=_normalization(config),
            )

        return Transcription(
            file_name=row["file_name"],
            text=heard.text,
            words=heard.words,
            score=heard.score,
            alternatives=tuple(Alternative(*each) for each in heard.alternatives),
            heard=heard,
            look=look,
        )

    def evaluate(self, rows, report=None, **decoding):
        """Transcribes rows and compares with their texts.

        Args:
            rows: With `file_name` and `text`; what cannot be read is left out, with a message. Or
                what `data.listen` makes of them.
            report: A `pipelines.commands.runs.Report` to write metrics, transcripts and maps to.
            **decoding: Fields of the configuration to replace.

        Returns:
            The metrics; those of attention only where there is a decoder.
        """
        config = dataclasses.replace(self.config, **decoding)
        if not isinstance(rows, data.Utterances):
            rows = data.listen(rows, config)
        results = self.predict(rows, alternatives=0, **decoding)
        texts, references = [each.text for each in results], [row["text"] for row in rows.rows]
        normalize = _normalization(config)
        texts, references = list(map(normalize, texts)), list(map(normalize, references))
        metrics = word_error_rate.score(texts, references)
        weights = [each.heard.weights for each in results if each.heard.weights is not None]
        if weights:
            metrics |= attention_health.attention_health(weights)
        if report is not None:
            report.write(metrics, len(results), self.model.count_params())
            report.write_rows("transcripts", list(map(_line, results, rows.rows)))
            console.print(f"maps: {maps.draw(report.folder / 'maps', results, metrics)}")
        return metrics


def _load_language_model(folder, tokenizer):
    model = NGramModel.load(folder)
    tokens = tokenizer.vocabulary_size
    runs.check_together(folder, "tokens in its language model", model.vocabulary_size, tokens)
    return model


def _normalization(config):
    """What is made of a text before its words are compared, for the scores as on the page."""
    return word_error_rate.normalize if config.normalize else str


def _line(result, row):
    """A line of the transcripts that an evaluation writes."""
    words = [[word, round(start, 2), round(end, 2)] for word, start, end in result.words]
    line = {"file_name": row["file_name"], "transcript": result.text}
    return {**line, "text": row["text"], "words": words}


def _within_sound(heard):
    """A `Heard` whose weights sum to one: a Whisper also attends to the silence after the audio."""
    if heard.weights is None:
        return heard
    sums = heard.weights.sum(-1, keepdims=True)
    return dataclasses.replace(heard, weights=heard.weights / sums.clip(1e-9))
