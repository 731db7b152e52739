"""Random English phrases to be spoken: numbers, dates, times and commands, all in words."""

import random
import re

UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
    *("seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = {
    **{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"},
    **{"nine": "ninth", "twelve": "twelfth"},
}
NUMBERS, DAYS, YEARS = (11, 99_999), (1, 31), (1800, 2059)  # with their ends
WORDS = (2, 10)

# Per kind of phrase, how often it is taken, and its wordings. What stands in braces is one of
# `CHOICES` or made by `_NUMERALS`. No word sounds as another does: no "to", "for", "won".
TEMPLATES = {
    "digits": (4, ("{digits}", "{digits}", "number {digits}", "call extension {digits}")),
    "number": (4, ("{number}", "{number}", "add {number}", "page {count}", "item {count}")),
    "date": (
        6,
        (
            *("the {day} of {month}", "the {day} of {month} {year}", "{month} the {day}"),
            *("{weekday} the {day} of {month}", "on {weekday} {month} the {day}"),
            *("{month} the {day} {year}", "{month} {year}", "the year {year}"),
        ),
    ),
    "time": (
        3,
        (
            *("{time} {part}", "at {time} {part}", "at {time} on {weekday}", "{time} tomorrow"),
            *("wake me at {time}", "set the alarm at {time} {part}", "at {time} every {weekday}"),
        ),
    ),
    "command": (
        8,
        (
            *("turn the {machine} {state} {place}", "turn {state} the {machine} {place}"),
            *("{now} turn the {machine} {state}", "switch the {machine} {state} {now}"),
            *("open the {opening} {place}", "close the {opening} {place}"),
            *("{now} lock the {opening} {place}", "lock the {opening} at {time}"),
            *("set the {level} at {count}", "turn the {level} {change} {now}"),
            *(
                "turn the {level} {change} by {few} percent",
                "stop the {machine} after {few} minutes",
            ),
            *(
                "start the timer after {few} minutes",
                "play track {count}",
                "stop track {few} {now}",
            ),
            *("repeat track {count} {few} times", "move {few} steps {direction}"),
            *("turn {direction} and move {few} steps", "turn {direction} after {count} metres"),
            *("{now} show camera {few}", "{now} show the {place_name}"),
        ),
    ),
}
CHOICES = {
    "month": (
        *("january", "february", "march", "april", "may", "june", "july", "august"),
        *("september", "october", "november", "december"),
    ),
    "weekday": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "time": (
        *("half past {hour}", "quarter past {hour}", "{few} minutes past {hour}"),
        *("{hour} {minute}", "{hour} {minute}", "{hour} {minute}", "noon", "midnight"),
    ),
    "part": ("in the morning", "in the afternoon", "in the evening", "tonight"),
    "place": ("in the {place_name}", "in the {place_name}", "in room {few}", "on floor {few}"),
    "place_name": ("kitchen", "bedroom", "bathroom", "garage", "garden"),
    "machine": ("light", "lamp", "fan", "heater", "radio", "camera"),
    "opening": ("door", "window", "gate", "curtain"),
    "state": ("on", "off"),
    "level": ("volume", "brightness", "temperature"),
    "change": ("up", "down"),
    "direction": ("left", "right", "forward", "back"),
    "now": ("please", "now"),
}


def sample(rng: random.Random) -> str:
    """Returns a phrase of 2 to 10 words in lower case, without punctuation.

    Args:
        rng: Where its random choices come from.
    """
    while True:
        (kind,) = rng.choices(list(TEMPLATES), [weight for weight, _ in TEMPLATES.values()])
        phrase = _fill(rng.choice(TEMPLATES[kind][1]), rng)
        if WORDS[0] <= len(phrase.split()) <= WORDS[1]:
            return phrase


def distinct(count: int, seed: int) -> list[str]:
    """Returns phrases, none of them twice.

    Args:
        count: How many.
        seed: The same gives the same phrases.
    """
    rng, phrases = random.Random(seed), {}
    while len(phrases) < count:
        phrases.setdefault(sample(rng))
    return list(phrases)


def cardinal(number: int) -> str:
    """Returns a number below a million in words: "four hundred and seven"."""
    if number < 20:
        return UNITS[number]
    if number < 100:
        return _joined(TENS[number // 10 - 2], " ", number % 10)
    if number < 1_000:
        return _joined(f"{UNITS[number // 100]} hundred", " and ", number % 100)
    joint = " and " if number % 1_000 < 100 else " "
    return _joined(f"{cardinal(number // 1_000)} thousand", joint, number % 1_000)


def ordinal(number: int) -> str:
    """Returns an ordinal number in words: "twenty first"."""
    *before, last = cardinal(number).split()
    regular = re.sub("y$", "ie", last) + "th"
    return " ".join([*before, ORDINALS.get(last, regular)])


def year(number: int) -> str:
    """Returns a year from 1100 to 2099 as one says it: "nineteen oh five"."""
    century, rest = divmod(number, 100)
    if century == 20 and rest < 10:
        return cardinal(number)
    return f"{cardinal(century)} {_after_hour(rest) or 'hundred'}"


def _after_hour(number: int) -> str:
    """Returns the minutes of a time or the years of a century, nothing for none."""
    oh = "oh " if number < 10 else ""
    return oh + cardinal(number) if number else ""


def _joined(head: str, joint: str, rest: int) -> str:
    return head + joint + cardinal(rest) if rest else head


def _digits(rng: random.Random) -> str:
    zero = rng.choice(("zero", "oh"))
    digits = (rng.randrange(10) for _ in range(rng.randint(3, 8)))
    return " ".join(UNITS[digit] if digit else zero for digit in digits)


def _number(rng: random.Random) -> str:
    """Numbers of two to five digits are alike frequent."""
    digits = rng.randint(2, 5)
    return cardinal(rng.randint(max(10 ** (digits - 1), NUMBERS[0]), 10**digits - 1))


_NUMERALS = {
    "digits": _digits,
    "number": _number,
    "count": lambda rng: cardinal(rng.randint(2, 199)),
    "few": lambda rng: cardinal(rng.randint(2, 30)),
    "hour": lambda rng: cardinal(rng.randint(1, 12)),
    "minute": lambda rng: _after_hour(rng.randint(1, 59)),
    "day": lambda rng: ordinal(rng.randint(*DAYS)),
    "year": lambda rng: year(rng.randint(*YEARS)),
}


def _fill(template: str, rng: random.Random) -> str:
    """Puts words in place of the braces of a template, and of those in what is put there."""

    def words(match):
        name = match[1]
        return _fill(rng.choice(CHOICES[name]), rng) if name in CHOICES else _NUMERALS[name](rng)

    return re.sub(r"{(\w+)}", words, template)
