"""Named entities: requests to an assistant, and the slots in them as BIO tags."""

import random
import re
from pathlib import Path

from .lines import write_splits
from .names import Names

LOWER_CASE = 0.33
# What may stand in a slot: "{}" is a name.
FILLERS = {
    "person": ("{}", "{}", "{} {}", "{} {}", "{} {}", "Dr {}", "{} van {}"),
    "city": ("{}", "{}", "{}", "New {}", "Port {}", "{} on Sea", "{} Springs", "{} upon {}"),
    "artist": ("{}", "{} {}", "{} {}", "The {} Brothers", "{} and the {} Band", "The {}"),
    "song": (
        *("{}", "{} in the Rain", "Goodbye {}", "Under {} Skies", "Monday in {}", "Call Me {}"),
        *("{} at Midnight", "Letters from {}", "Seven Days with {}", "The Streets of {}", "{} {}"),
    ),
    "product": ("{}", "{} {}", "{} Pro", "{} {n}", "{} Mini {n}", "{} X {n}", "{} Air"),
    "date": (
        *("today", "tomorrow", "{weekday}", "{weekday}", "next {weekday}", "this weekend"),
        *("the {day} of {month}", "{month} {n}", "{n} {month}", "the day after tomorrow"),
    ),
    "time": (
        *("{hour} pm", "{hour} am", "{hour} o'clock", "{hour}:{minute}", "{hour}", "noon"),
        *("midnight", "half past {word}", "a quarter to {word}", "ten past {word}"),
    ),
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
# "{number}" is no slot.
REQUESTS = (
    *("call {person} at {time} .", "call {person} back {date} , please .", "may I call {person} ?"),
    *("ring {person} and {person} .", "send a message to {person} about the {product} ."),
    *("remind me {date} to write to {person} .", "did {person} answer my mail from {date} ?"),
    *("tell {person} that I reach {city} at {time} .", "invite {person} and {person} for {date} ."),
    *("when is the birthday of {person} ?", "was it {person} who left a message {date} ?"),
    *("read me the mail from {person} about {city} .", "move lunch with {person} to {time} ."),
    *("is {person} free at {time} {date} ?", "how far is it from {city} to {city} ?"),
    *("find flights from {city} to {city} {date} .", "what is the weather in {city} {date} ?"),
    *("will it rain in {city} at {time} ?", "book me a room in {city} for {number} nights ."),
    *("march me through the traffic to {city} .", "trains between {city} and {city} {date} ?"),
    *("are there any hotels in {city} for {number} people ?", "what time is it in {city} ?"),
    *("play {song} by {artist} .", "play something by {artist} .", "put {song} on repeat ."),
    *("play track {number} of the album by {artist} .", "who sings {song} ?"),
    *("when does {artist} go on stage {date} ?", "add {song} to the songs of {artist} ."),
    *("is there a concert of {artist} in {city} {date} ?", "skip {song} , play {song} ."),
    *("get me {number} tickets for {artist} .", "I would rather hear {artist} than {artist} ."),
    *("order {number} of the {product} .", "how much is the {product} ?", "return the {product} ."),
    *("buy a {product} for {person} .", "is the {product} better than the {product} ?"),
    *(
        "when will my {product} arrive in {city} ?",
        "cancel the order of the {product} from {date} .",
    ),
    *("book a table for {number} at {time} {date} .", "wake me at {time} ."),
    *("set a timer for {number} minutes .", "turn the volume up to {number} .", "wake me {date} ."),
    *("what do I have to do {date} ?", "move the {time} meeting to {date} at {time} ."),
    *("set an alarm for {time} {date} .", "add {number} eggs to the list for {date} ."),
)
# What stands at "{x}" can be anything: what comes before does not tell, but what follows.
OPENINGS = (
    *("look up {x}", "show me {x}", "find {x}", "tell me about {x}", "what do you know about {x}"),
    *("search for {x}", "have you heard of {x}", "look for {x}", "I need to know more about {x}"),
)
ENDINGS = {
    "person": (
        *(", my old neighbour .", ", a colleague of mine .", ", the new dentist in {city} ."),
        *("'s phone number .", "'s address .", "and call him at {time} .", ", who works with me ."),
    ),
    "city": (
        *(", the town by the sea .", ", a city near {city} .", ", where my aunt lives ."),
        *("'s mayor .", "'s museums .", "on the map .", "and a hotel there for {number} people ."),
    ),
    "artist": (
        *(
            ", the singer from {city} .",
            ", the band that toured in {month} .",
            ", who sang {song} .",
        ),
        *("'s concerts .", "'s first album .", "and play one of the songs ."),
    ),
    "song": (
        *(", the hit by {artist} .", ", track {number} of that album .", ", which {artist} sang ."),
        *("'s lyrics .", "'s composer .", "and play it at {time} ."),
    ),
    "product": (
        *(", the phone with {number} cameras .", ", which costs less than the {product} ."),
        *("'s price .", "'s manual .", "and order {number} of them .", ", a laptop with a pen ."),
    ),
}
# The same with "{x}" at the beginning.
ABOUT = {
    "person": (
        *("{x} is waiting for an answer , write that I come at {time} .", "{x} has my keys ."),
        "{x} comes to dinner {date} , so remind me .",
    ),
    "city": (
        *("{x} is where I want to live , find me a flat .", "{x} has an airport , right ?"),
        "{x} is too far to walk , call a taxi for {time} .",
    ),
    "artist": (
        *("{x} is on tour , get {number} tickets .", "{x} has a new album , play it ."),
        "{x} sings that , right ?",
    ),
    "song": (
        *("{x} is stuck in my head , play it .", "{x} has lovely lyrics , read them ."),
        "{x} comes next , after {song} .",
    ),
    "product": (
        *("{x} is out of stock , tell me when that changes .", "{x} has a weak battery , right ?"),
        "{x} comes in red , so order {number} of those .",
    ),
}


def write_ner(
    folder: Path, train: int = 6_000, validation: int = 600, test: int = 1_000, seed: int = 0
) -> None:
    """Writes requests with slots of seven types, none of them twice.

    Any name may be that of a person, city, artist, song or product: what stands around it tells,
    often later in the line. Numbers, days and hours are slots in one place and none in another. A
    third of the lines is in lower case. The names of a split are its own.

    Args:
        folder: gets `train.jsonl`, `validation.jsonl` and `test.jsonl`, with `tokens` and `tags`.
        train: number of training lines.
        validation: number of validation lines.
        test: number of test lines.
        seed: another seed gives other lines.
    """

    def requests(split, rng):
        names = Names(split, rng)
        while True:
            yield _request(rng, names)

    sizes = {"train": train, "validation": validation, "test": test}
    write_splits(folder, requests, sizes, key=("tokens",), seed=seed)


def _request(rng: random.Random, names: Names) -> dict:
    """Returns the tokens of a request, and their tags."""
    kind, subject = rng.random(), rng.choice(tuple(ENDINGS))
    if kind < 0.5:
        pattern = rng.choice(REQUESTS)
    elif kind < 0.8:
        pattern = f"{rng.choice(OPENINGS)} {rng.choice(ENDINGS[subject])}"
    else:
        pattern = rng.choice(ABOUT[subject])
    tokens, tags = [], []
    for word in pattern.replace("{x}", f"{{{subject}}}").split():
        slot = word[1:-1] if word.startswith("{") else None
        if slot in FILLERS:
            filler = _filler(slot, rng, names).split()
            tokens += filler
            tags += [f"B-{slot}", *[f"I-{slot}"] * (len(filler) - 1)]
        else:
            tokens.append(_filled(word, rng))
            tags.append("O")
    if rng.random() < LOWER_CASE:
        tokens = [token.lower() for token in tokens]
    else:
        tokens[0] = tokens[0][0].upper() + tokens[0][1:]
    return {"tokens": tokens, "tags": tags}


def _filler(slot: str, rng: random.Random, names: Names) -> str:
    pattern = rng.choice(FILLERS[slot])
    return _filled(re.sub("{}", lambda _: names.draw(), pattern), rng)


def _filled(pattern: str, rng: random.Random) -> str:
    """Returns words with numbers, days and hours in their places."""
    if "{" not in pattern:
        return pattern
    day = rng.randint(1, 31)
    ending = "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return pattern.format(
        n=rng.randint(2, 31),
        number=rng.randint(2, 12),
        hour=rng.randint(1, 12),
        minute=f"{rng.randrange(0, 60, 5):02}",
        word=rng.choice(WORDS),
        day=f"{day}{ending}",
        month=rng.choice(MONTHS),
        weekday=rng.choice(WEEKDAYS),
    )
