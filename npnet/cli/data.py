"""`npnet data`: the corpora, the contexts of a word, downloads."""

from __future__ import annotations

import argparse
import json
from typing import Any

from npnet.base.errors import InputError
from npnet.cli.parser import add_json, whole_number
from npnet.cli.word_options import FILE_OPTIONS, add_word_options, how_words_are_read, words_from
from npnet.corpora import known
from npnet.corpora.datasets import Vocabulary, show_contexts

READING = {"--unique", *(f"--{name}" for name in FILE_OPTIONS)}


def add_commands(commands: Any) -> None:
    """Add it to the parser's subcommands."""
    data = commands.add_parser(
        "data",
        help="the known corpora; contexts of a word; download",
        description="List the corpora that npnet knows and where it found them; or show the "
        "contexts of a word; or download a corpus.",
    )
    action = data.add_mutually_exclusive_group()
    action.add_argument("--show", metavar="WORD", help="print the word's contexts and targets")
    action.add_argument(
        "--download",
        nargs="?",
        const="names.txt",
        metavar="NAME",
        help="fetch a corpus (default: names.txt) into the cache folder and check its SHA-256",
    )
    data.add_argument(
        "--in",
        dest="places",
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder to look for corpora in, before NPNET_CORPORA and the cache",
    )
    data.add_argument(
        "--block-size",
        type=whole_number,
        metavar="T",
        help="context length of --show (default: 3)",
    )
    add_word_options(data)
    add_json(data)
    data.set_defaults(command=data_command)


def data_command(options: argparse.Namespace) -> int:
    """`npnet data`."""
    _refuse_ignored(options)
    if options.show is not None:
        vocab = Vocabulary.from_words(words_from(options))
        word = options.show.lower() if options.fold else options.show
        block_size = 3 if options.block_size is None else options.block_size
        lines = show_contexts(word, vocab, block_size)
        if options.json:
            print(json.dumps(lines, ensure_ascii=False, indent=2))
        else:
            print("\n".join(lines))
    elif options.download is not None:
        path = known.download(options.download)
        print(json.dumps({"file": str(path)}) if options.json else path)
    else:
        _list(known.listing(options.places), options.json)
    return 0


def _refuse_ignored(options: argparse.Namespace) -> None:
    given = {
        "--words": options.words is not None,
        **dict.fromkeys(how_words_are_read(options), True),
        "--block-size": options.block_size is not None,
        "--in": bool(options.places),
        "--json": options.json,
    }
    if options.show is not None:
        action, taken = "--show", {"--words", "--fold", "--block-size", "--json", *READING}
    elif options.download is not None:
        action, taken = "--download", {"--json"}
    else:
        action, taken = "the list of corpora", {"--in", "--json"}
    ignored = [option for option, is_given in given.items() if is_given and option not in taken]
    if ignored:
        raise InputError(
            f"data: got {', '.join(ignored)} for {action}, "
            f"wanted {', '.join(sorted(taken)) or 'nothing'} with it"
        )


def _list(rows: list[known.Row], as_json: bool) -> None:
    if as_json:
        print(json.dumps([row._asdict() for row in rows], default=str, indent=2))
        return
    for row in rows:
        print(f"{row.name}: {row.words:,} words, SHA-256 {row.checksum}…")
        print(f"  found: {row.found}" if row.found else f"  not found: {row.how}")
