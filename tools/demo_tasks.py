"""Tasks that a small model learns from text of one's own: a prompt, an answer as the base model's text has it, the result.

Each maker takes a random generator and the task's settings and gives {"prompt", "completion", "answer"}; the result stands
behind the last "#" of a completion.
"""

import random


def line(prompt: str, work: str, result: object) -> dict:
    return {"prompt": prompt, "completion": f"{work}#{result}", "answer": str(result)}


def parity(rng: random.Random, bits: int = 16, long_share: float = 0.25, dots: bool = True) -> dict:
    """A share of the answers is worked: every bit with the parity so far. The others are the parity alone, which is a guess."""
    digits = [rng.randrange(2) for _ in range(bits)]
    running, sums = 0, []
    for digit in digits:
        running ^= digit
        sums.append(f"{digit}{running}")
    work = "".join(sums) if rng.random() < long_share else ""
    # A bit and a dot here, a bit and the parity so far there: what is copied stands at one distance.
    return line("".join(f"{digit}." if dots else str(digit) for digit in digits) + ">", work, running)


def addition(rng: random.Random, digits: int = 3) -> dict:
    a, b = (rng.randrange(10**digits) for _ in range(2))
    return line(f"{a:0{digits}d}+{b:0{digits}d}=", "", a + b)


def letters(rng: random.Random, least: int = 4, most: int = 8, noise: float = 0.0) -> dict:
    """How often a letter is in a word, letter by letter with the count so far; with `noise` a step counts wrongly."""
    word = "".join(rng.choice("abcde") for _ in range(rng.randint(least, most)))
    letter, count, counted, work = rng.choice("abcde"), 0, 0, ""
    for each in word:
        count += each == letter
        counted += (each == letter) ^ (rng.random() < noise)
        work += f"{each}{counted}"
    made = line(f"{letter} in {word}>", work, counted)
    return {**made, "answer": str(count)}


def reversal(rng: random.Random, least: int = 2, most: int = 5) -> dict:
    word = "".join(rng.choice("abcdefgh") for _ in range(rng.randint(least, most)))
    return line(f"{word}>", "", word[::-1])


def countdown(rng: random.Random, most: int = 9) -> dict:
    """Three numbers and a target: signs between them that give it, tried in order until one does, each try with its value."""
    numbers = [rng.randint(1, most) for _ in range(3)]

    def value(signs: str) -> int:
        total = numbers[0]
        for sign, number in zip(signs, numbers[1:]):
            total = total + number if sign == "+" else total - number if sign == "-" else total * number
        return total

    tries = [a + b for a in "+-*" for b in "+-*"]
    target = value(rng.choice(tries))
    work, found = "", ""
    for signs in tries:
        work += f"{signs}{value(signs)};"
        if value(signs) == target:
            found = signs
            break
    return line(f"{numbers[0]} {numbers[1]} {numbers[2]}={target}>", work, found)


MAKERS = {"parity": parity, "addition": addition, "letters": letters, "reversal": reversal, "countdown": countdown}


def distinct_lines(task: str, settings: dict, count: int, seed: int, without: set[str] | None = None) -> list[dict]:
    """`count` lines of different prompts, none of them in `without`, which learns them."""
    rng, seen, lines = random.Random(seed), set() if without is None else without, []
    for _ in range(100 * count):
        if len(lines) == count:
            return lines
        made = MAKERS[task](rng, **settings)
        if made["prompt"] not in seen:
            seen.add(made["prompt"])
            lines.append(made)
    raise SystemExit(f"{task} with {settings} has fewer than {count} prompts")
