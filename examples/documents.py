"""Answers questions from a folder of documents: full-text search in SQLite, behind a function that the model calls.

    pip install openai
    python examples/documents.py docs "How do I put a proxy in front of the server?"

Another field is another folder. Another source (a database, a ticket system) is another `search`.
"""
import pathlib
import re
import sqlite3
import sys

import agent

SUFFIXES = {".md", ".txt", ".rst", ".html", ".csv", ".tex"}
PASSAGE = 1500  # characters, at a paragraph's end
RULES = """You answer questions about a collection of documents. Search them first; search again with other words
if the passages do not say enough. Name the file and line of what you rely on, as (file:line). If the documents
do not answer the question, say so and guess nothing."""


def passages(text):
    """(line, text) of pieces that fit a prompt."""
    piece, begin, line = "", 1, 1
    for paragraph in re.split(r"(\n\s*\n)", text):
        if piece.strip() and len(piece) + len(paragraph) > PASSAGE:
            yield begin, piece.strip()
            piece = ""
        if not piece.strip():
            piece, begin = "", line
        piece += paragraph
        line += paragraph.count("\n")
    if piece.strip():
        yield begin, piece.strip()


class Library:
    def __init__(self, folder):
        self.database = sqlite3.connect(":memory:")
        self.database.execute("CREATE VIRTUAL TABLE passage USING fts5(place, text, tokenize = 'porter unicode61')")
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if file.suffix.lower() in SUFFIXES and file.is_file():
                text = file.read_text(encoding="utf-8", errors="replace")
                self.database.executemany("INSERT INTO passage VALUES (?, ?)", [
                    (f"{file.relative_to(folder)}:{line}", piece) for line, piece in passages(text)])

    def search(self, words):
        """Finds the passages of the documents that have most of these words; in the documents' language."""
        quoted = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", words))
        found = quoted and self.database.execute(
            "SELECT place, text FROM passage WHERE passage MATCH ? ORDER BY bm25(passage) LIMIT 4", [quoted]).fetchall()
        return "\n\n".join(f"({place})\n{text}" for place, text in found) if found else "nothing was found"


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: documents.py FOLDER [QUESTION]; without one, each line of the input is a question")
    library = Library(sys.argv[1])
    client, model = agent.connect()
    for question in sys.argv[2:] or sys.stdin:
        messages = [{"role": "system", "content": RULES}, {"role": "user", "content": question.strip()}]
        agent.answer(client, model, messages, [library.search], first_choice="required",
                     show=lambda text: print(text, end="", flush=True),
                     told=lambda name, arguments: print(f"[{name} {arguments}]", file=sys.stderr))
        print()


if __name__ == "__main__":
    main()
