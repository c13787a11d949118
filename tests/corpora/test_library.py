"""Corpora: the shipped one, finding others by checksum, downloading."""

import hashlib
import io
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pooch
import pytest

from npnet.base.errors import InputError
from npnet.corpora import known
from npnet.corpora.known import (
    KNOWN,
    Corpus,
    default_words,
    download,
    find_corpus,
    known_words,
    listing,
    shipped_corpus,
)
from npnet.corpora.words import read_words

CORPORA = os.environ.get("NPNET_CORPORA")
CONTENT = b"Ada\nBo\nCy\nDi\nEd\nFlo\nGus\nHal\nIda\nJo\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that does not exist yet, no other folders, and no proxy to this machine."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NPNET_CACHE", str(folder))
    monkeypatch.delenv("NPNET_CORPORA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


def make_known(monkeypatch: pytest.MonkeyPatch, url: str | None = None) -> None:
    corpus = Corpus("ten.txt", SHA256, len(CONTENT), words=10, fold=True, url=url, note="")
    monkeypatch.setitem(KNOWN, "ten.txt", corpus)


def saved(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# The shipped corpus


def test_the_shipped_corpus_holds_thousands_of_plain_names() -> None:
    words = default_words()
    assert len(words) == len(set(words)) >= 4_000
    assert all(re.fullmatch("[a-z]+", word) for word in words)


def test_the_package_is_searched_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, checkout = tmp_path / "package", tmp_path / "checkout"
    monkeypatch.setattr(known, "SHIPPED_FOLDERS", (package, checkout))
    with pytest.raises(InputError, match=r"no names\.csv in .*package or .*checkout"):
        default_words()
    own = saved(checkout / "names.csv")
    assert shipped_corpus() == own
    inside = saved(package / "names.csv")
    assert shipped_corpus() == inside


# Finding by checksum


def test_a_corpus_is_found_under_any_name(tmp_path: Path) -> None:
    saved(tmp_path / "lists" / "other.txt", b"other")
    path = saved(tmp_path / "lists" / "renamed.dat")
    assert find_corpus(SHA256, [tmp_path / "lists"]) == path
    assert find_corpus(SHA256.upper(), [str(path)]) == path
    assert find_corpus("0" * 64, [tmp_path / "lists"]) is None


def test_folders_handed_in_come_before_the_environment_and_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = saved(cache / "a.txt")
    assert find_corpus(SHA256) == cached
    named = saved(tmp_path / "corpora" / "a.txt")
    monkeypatch.setenv("NPNET_CORPORA", str(named.parent))
    assert find_corpus(SHA256) == named
    handed_in = saved(tmp_path / "mine" / "a.txt")
    assert find_corpus(SHA256, [handed_in.parent]) == handed_in


def test_the_cache_is_the_users_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPNET_CACHE", "~/lists")
    assert known.cache_folder() == Path.home() / "lists"
    monkeypatch.delenv("NPNET_CACHE")
    assert "npnet" in known.cache_folder().parts


def test_the_shipped_corpus_is_found_by_its_checksum() -> None:
    path = shipped_corpus()
    assert find_corpus(hashlib.sha256(path.read_bytes()).hexdigest()) == path


def test_a_file_of_another_size_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch)
    same_size = saved(tmp_path / "lists" / "a.txt", CONTENT.lower())
    saved(tmp_path / "lists" / "b.txt", b"another size")
    with (tmp_path / "lists" / "huge").open("wb") as sparse:
        sparse.truncate(known.LARGEST + 1)
    hashed = []
    file_digest = hashlib.file_digest

    def noting(file: io.BufferedReader, name: str) -> Any:
        hashed.append(file.name)
        return file_digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", noting)
    assert find_corpus(SHA256, [tmp_path / "lists"]) is None
    assert hashed == [str(same_size)]
    hashed.clear()
    assert find_corpus("0" * 64, [tmp_path / "lists"]) is None
    assert str(tmp_path / "lists" / "huge") not in hashed


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_unreadable_files_are_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    (folder / "a_folder").mkdir(parents=True)
    (folder / "b_dangling").symlink_to(tmp_path / "absent")
    os.mkfifo(folder / "c_pipe")
    path = saved(folder / "d.txt")
    assert find_corpus(SHA256, [folder]) == path


def test_a_named_folder_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"find_corpus: .*absent: No such file"):
        find_corpus(SHA256, [tmp_path / "absent"])
    monkeypatch.setenv("NPNET_CORPORA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"NPNET_CORPORA: .*gone: No such file"):
        find_corpus(SHA256)


def test_a_known_corpus_is_read_as_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch)
    with pytest.raises(InputError, match=r"ten\.txt: no file with SHA-256 .*NPNET_CORPORA"):
        known_words("ten.txt")
    path = saved(tmp_path / "lists" / "a.txt")
    assert known_words("ten.txt", [path]) == [word.lower() for word in read_words(path)]
    with pytest.raises(InputError, match=r"'nine\.txt' is no known corpus, wanted one of names"):
        known_words("nine.txt")


@pytest.mark.skipif(
    not CORPORA, reason="NPNET_CORPORA names no folder with names.txt and indian_names.txt"
)
@pytest.mark.parametrize("name", ["names.txt", "indian_names.txt"])
def test_the_published_corpora_are_what_is_known_of_them(name: str) -> None:
    folder = Path(CORPORA or "")
    corpus = KNOWN[name]
    assert find_corpus(corpus.sha256, [folder]) == folder / name
    assert (folder / name).stat().st_size == corpus.size
    words = known_words(name, [folder])
    assert len(words) == corpus.words
    assert all(word == word.lower() for word in words)


# Downloading


class Server(NamedTuple):
    address: str
    asked: list[str]  # the paths that were asked for, in order


@pytest.fixture
def server() -> Iterator[Server]:
    """Serves CONTENT as /ten.txt and something else as /wrong.txt."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = {"/ten.txt": CONTENT, "/wrong.txt": b"moved"}.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{listener.server_port}", asked)
        listener.shutdown()
        thread.join()


def test_a_download_lands_in_the_cache_once(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch, f"{server.address}/ten.txt")
    path = download("ten.txt")
    assert path == cache / "ten.txt" == find_corpus(SHA256)
    assert path.read_bytes() == CONTENT
    assert download("ten.txt") == path
    assert server.asked == ["/ten.txt"]


def test_a_download_is_silent_and_leaves_the_log_of_others_as_it_was(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = pooch.get_logger()
    log = io.StringIO()
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(log)])
    make_known(monkeypatch, f"{server.address}/ten.txt")
    logger.info("before")
    download("ten.txt")
    logger.info("after")
    assert log.getvalue() == "before\nafter\n"
    assert capfd.readouterr() == ("", "")


def test_a_download_replaces_a_damaged_copy_in_the_folder_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch, f"{server.address}/ten.txt")
    damaged = saved(tmp_path / "mine" / "ten.txt", CONTENT[:-5])
    assert download("ten.txt", folder=damaged.parent) == damaged
    assert damaged.read_bytes() == CONTENT


def test_a_download_with_another_checksum_leaves_nothing_behind(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch, f"{server.address}/wrong.txt")
    with pytest.raises(InputError, match=r"another checksum from http.*set NPNET_CORPORA"):
        download("ten.txt")
    assert list(cache.iterdir()) == []


def test_a_download_without_a_net_or_a_file_says_what_to_do(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch, f"{server.address}/absent.txt")
    with pytest.raises(InputError, match=r"HTTPError from http.*set NPNET_CORPORA"):
        download("ten.txt")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    make_known(monkeypatch, f"https://127.0.0.1:{port}/ten.txt")
    with pytest.raises(InputError, match=r"ConnectionError from .* or use the shipped corpus"):
        download("ten.txt")
    assert list(cache.iterdir()) == []


def test_a_download_needs_a_known_name_an_address_and_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"wanted one of names\.txt, indian_names\.txt"):
        download("nine.txt")
    with pytest.raises(InputError, match=r"indian_names\.txt: no download is known: put a copy"):
        download("indian_names.txt")
    monkeypatch.setenv("NPNET_CACHE", str(saved(tmp_path / "file")))
    with pytest.raises(InputError, match=r"file: File exists, .*set NPNET_CACHE"):
        download("names.txt")


# What `npnet data` lists


def test_the_listing_says_what_is_there_and_how_to_get_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_known(monkeypatch)
    path = saved(tmp_path / "ten.txt")
    shipped, *others = listing(iter([path]))
    assert (shipped.name, shipped.words) == ("names.csv", len(default_words()))
    assert shipped.found == shipped_corpus()
    assert [(row.name, row.found) for row in others] == [
        ("names.txt", None),
        ("indian_names.txt", None),
        ("ten.txt", path),
    ]
    assert [row.how.split(":")[0].split(",")[0] for row in others] == [
        "npnet data --download names.txt",
        "no download is known",
        "no download is known",
    ]
    assert others[2].checksum == SHA256[:12]
