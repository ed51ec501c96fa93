"""What a terminal would show: the text, all of it, and nothing that moves a cursor."""

import re
import time
import unicodedata

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.aws_iot_jobs.jobs.model import JobProgress
from custom_components.aws_iot_jobs.jobs.report import final_details
from custom_components.aws_iot_jobs.jobs.terminal import shown_text
from custom_components.aws_iot_jobs.runner.output import TAIL_BYTES, Tail

from ..fake_jobs_service import FakeJobsService
from .conftest import Device
from .documents import command_step, document

ESC = "\x1b"
BEL = "\x07"
ST = "\x1b\\"

# Sequences


@pytest.mark.parametrize(
    "sequence",
    [
        # Control sequences: colours, modes, private ones, with 8 bits.
        "\x1b[m",
        "\x1b[1;31m",
        "\x1b[38;2;1;2;3m",
        "\x1b[4:3m",
        "\x1b[?25l",
        "\x1b[?2004h",
        "\x1b[>4;1m",
        "\x1b[!p",
        "\x1b[2 q",
        "\x1b[6n",
        "\x1b[1;24r",
        "\x9b1;31m",
        "\x9b?25h",
        # Of two and three characters, as tput and reset send them.
        "\x1b(B",
        "\x1b)0",
        "\x1b%G",
        "\x1b#8",
        "\x1b F",
        "\x1b$(C",
        "\x1b=",
        "\x1b>",
        "\x1b7",
        "\x1b~",
        "\x1bH",
        "\x0f",
        "\x88",
        # Strings: titles, links, marks, device and application strings.
        f"\x1b]0;a title{BEL}",
        f"\x1b]0;ein Titel, größer{ST}",
        "\x1b]2;a title\x9c",
        "\x9d0;a title\x9c",
        f"\x9d0;a title{BEL}",
        f"\x1b]8;;https://example.com/a?b=c{ST}",
        f"\x1b]133;A{BEL}",
        f"\x1b]1337;File=name=YQ==;inline=1:{'QUJD' * 500}{BEL}",
        f"\x1bP1$r0m{ST}",
        f"\x1bPq#0;2;0;0;0\n#0~~@@vv\n{ST}",
        f"\x90q#0~~{ST}",
        f"\x1b_Gf=24,s=1;AAAA{ST}",
        "\x9fG\x9c",
        f"\x1b^private{ST}",
        f"\x9eprivate{ST}",
        f"\x1bXa string{ST}",
        f"\x98a string{ST}",
        f"\x1bka title of screen{ST}",
        # Canceled.
        "\x1b]0;a title\x18",
        "\x1bPdevice\x1a",
        # The Linux console's own.
        "\x1b]P1ff00aA",
        "\x1b]R",
        "\x1b[[A",
        # Passed through tmux.
        f"\x1bPtmux;\x1b\x1b]0;title{BEL}{ST}",
        # Not worth a sequence.
        "\x00",
        "\x7f",
        BEL,
        ST,
        "\x80",
        "\x9c",
    ],
)
def test_a_sequence_leaves_nothing(sequence: str) -> None:
    """And takes nothing with it: neither before, behind, nor in the next line."""
    for before, behind in (("", "Ü"), ("ok", ""), ("ok", "\n"), ("日", "語\nend\n")):
        assert shown_text(f"{before}{sequence}{behind}") == f"{before}{behind}"
    assert shown_text(f"a {sequence}b{sequence} c\n{sequence}") == "a b c\n"


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ("\x1b", ""),
        ("\x1b[", ""),
        ("\x9b", ""),
        ("\x1b[38;5", ""),
        ("\x1b[?25", ""),
        ("\x1b[2 ", ""),
        ("\x1b(", ""),
        ("\x1b]", ""),
        ("\x1b]0;", ""),
        ("\x1b]0;tit", "tit"),
        ("\x1bP", ""),
        ("\x1b_Gf", "Gf"),
    ],
)
def test_cut_at_the_end(cut: str, left: str) -> None:
    """What can only be a sequence goes; what may be text stays."""
    assert shown_text(f"text\n{cut}") == f"text\n{left}"


@pytest.mark.parametrize(
    "opener",
    [
        *("\x1b]0;", "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1b]8;;"),
        *("\x9d0;", "\x90", "\x9f", "\x9e", "\x98"),
        *("\x1b[", "\x1b[31", "\x1b[?", "\x9b", "\x1b[1;", "\x1b(", "\x1b"),
    ],
)
def test_what_is_never_closed_takes_no_text_with_it(opener: str) -> None:
    """Neither that of its line, nor what comes behind another sequence or in other lines."""
    kept = "ändert den Rest\nbehind\n\nthe end\n"
    assert shown_text(f"before{opener}{kept}") == f"before{kept}"
    assert shown_text(f"{opener}é\x1b[0m{kept}") == f"é{kept}"
    assert shown_text(f"{opener}\n{kept}") == f"\n{kept}"
    assert shown_text(f"{opener}é\n{kept}\x1b]0;title{BEL}{kept}") == f"é\n{kept}{kept}"
    assert shown_text(f"{opener}{opener}{kept}") == kept
    assert shown_text(f"{opener * 3000}{kept}") == kept


def test_a_bell_of_a_later_line_closes_no_title() -> None:
    """It may be one that rings."""
    assert shown_text(f"\x1b]0;title\nall of this\ndone{BEL}\n") == (
        "title\nall of this\ndone\n"
    )


# Lines that are written again


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("10%\r20%\r100%\n", "100%\n"),
        ("10%\r20%\r100%", "100%"),
        ("10%\r20%\r100%\r", "100%"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("one\r\r\ntwo\r\r\n", "one\ntwo\n"),
        ("trailing \r\n", "trailing \n"),
        # A shorter one leaves the old end, unless that is erased.
        ("working\rdone\n", "doneing\n"),
        ("working\rdone\x1b[K\n", "done\n"),
        ("working\r\x1b[Kdone\n", "done\n"),
        ("working\r\x9bKdone\n", "done\n"),
        ("working\x1b[2K\rdone\n", "done\n"),
        ("working\x1b[1K\rdone\n", "done\n"),
        ("working\x1b[1Gdone\x1b[0K\n", "done\n"),
        ("working\r       \rdone\n", "done\n"),
        ("working\r\x1b[2Kdone\nnext\rN\n", "done\nNext\n"),
        ("working\x1b[2K\r\nnext\n", "\nnext\n"),
        # Backspaces, alone, with blanks, and as manual pages have them.
        ("10%\b\b\b20%\n", "20%\n"),
        ("-\b\\\b|\b/\bok\n", "ok\n"),
        ("abc\b \b\n", "ab\n"),
        ("a\b\b\bb\n", "b\n"),
        ("N\bNA\bAM\bME\bE\n", "NAME\n"),
        ("_\bw_\bo_\br_\bd\n", "word\n"),
        # Wide characters, combining ones, and tabs.
        ("日本語\rabc\n", "abc 語\n"),
        ("日本\r\x1b[Cx\n", " x本\n"),
        ("abcd\r日\n", "日cd\n"),
        ("abc\r日日\n", "日日\n"),
        ("e\u0301a\rx\n", "xa\n"),
        ("ea\re\u0301\n", "e\u0301a\n"),
        ("\u0301a\rb\n", "ba\n"),
        ("a\tb\rX\n", "X\tb\n"),
        ("a\tb\r\tY\n", "a\tY\n"),
        ("a\tb\r\x1b[3CY\n", "a  Y    b\n"),
        ("abc\r\tx\n", "abc     x\n"),
        ("😀😀\r1\n", "1 😀\n"),
        # To columns.
        ("service\x1b[12G[ OK ]\n", "service    [ OK ]\n"),
        ("abc\x1b[2Dx\n", "axc\n"),
        ("abc\x1b[99999999999Dx\n", "xbc\n"),
        ("abc\x1b[2`x\n", "axc\n"),
    ],
)
def test_a_line_shows_its_last_state(written: str, shown: str) -> None:
    """As a terminal does."""
    assert shown_text(written) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # Layers of an image, each in its line.
        (
            (
                "a: 10%\nb: 10%\n\x1b[2A\x1b[2K\ra: done\x1b[2B\r"
                "\x1b[1A\x1b[2K\rb: done\r\x1b[1B"
            ),
            "a: done\nb: done\n",
        ),
        # A table that is drawn again, and gets shorter.
        ("1\n2\n3\n\x1b[3F\x1b[Jall\n", "all\n"),
        ("one\ntwo\x1b[1A\x1b[2K\x1b[1GONE\x1b[1EX\n", "ONE\nXwo\n"),
        ("one\ntwo\n\x1bM\x1bM\x1b[KEINS\n", "EINS\ntwo\n"),
        ("wait\x1b7 .\x1b8..\n", "wait..\n"),
        ("wait\x1b[s .\x1b[u..\n", "wait..\n"),
        ("wait \x1b7-\x1b8\\\x1b8|\x1b8/\x1b8\x1b[Kdone\n", "wait done\n"),
        ("one\x1b[Btwo", "one\n   two"),
        ("one\x1bEtwo\x85three\vfour\ffive", "one\ntwo\nthree\nfour\nfive"),
        # Further up than what is known.
        ("b: 10%\n\x1b[5Aa: done\nb: done\n", "a: done\nb: done\n"),
        # A status at the edge of a screen, beside what is printed.
        (
            (
                "\x1b7\x1b[24;0f[ 10%]\x1b8Unpacking a\n"
                "\x1b7\x1b[24;0f[ 90%]\x1b8Unpacking b\n"
            ),
            "Unpacking a\nUnpacking b\n[ 90%]",
        ),
        (
            "\x1b7\x1b[24;0f[ 10%]\x1b8one\n\x1b7\x1b[24;0f\x1b[0K\x1b8two\n",
            "one\ntwo\n",
        ),
        # A screen that is cleared: what was said before stays to be read.
        ("before\x1b[H\x1b[2J\x1b[3Jafter\n", "before\nafter\n"),
        ("\x1b[H\x1b[Jfirst\n", "first\n"),
        ("a\x1b[3;1Hb\x1b[5;1Hc", "a\nb\nc"),
        ("before\x1bcafter", "before\nafter"),
    ],
)
def test_lines_that_are_drawn_again(written: str, shown: str) -> None:
    """No two texts run into each other, and none is there twice."""
    assert shown_text(written) == shown


# Any text at all


def is_control(character: str) -> bool:
    """Return whether a character is one that no status detail may have."""
    return unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"


pieces = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        "\n\r\t\b\v\f\0\x07\x18\x1a\x1b\x7f\x84\x85\x8d\x90\x9b\x9c\x9d\x9e"
    ),
    st.sampled_from("日語😀é\u0301\u200d\u200bⅡ─\ud800"),
    st.sampled_from(
        ["\x1b[", "\x1b]", "\x1bP", ST, "\x1b7", "\x1b8", "\x1b[H", "tmux;"]
    ),
    st.builds(
        "\x1b[{}{}".format,
        st.sampled_from(["", "0", "1", "2", "3", "12", ";5", "?2", "9" * 5000, "1:2"]),
        st.sampled_from("ABCDEFGHJKfdaesumhlr` \n"),
    ),
)
outputs = st.lists(pieces, max_size=40).map("".join)


@given(outputs, st.booleans())
@settings(max_examples=500)
def test_any_output_becomes_text(output: str, cut: bool) -> None:
    """Without controls; and what is clean stays as it is."""
    shown = shown_text(output, cut=cut)
    assert not any(map(is_control, shown))
    shown.encode()
    assert shown_text(shown) == shown
    assert shown_text(shown, cut=cut) == shown


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t"))
)
def test_plain_text_is_as_it_was(text: str) -> None:
    """Whatever it looks like, cut or not, also between sequences and with CR LF."""
    assert shown_text(text) == text
    assert shown_text(text, cut=True) == text
    assert shown_text(f"\x1b[1m{text}\x1b(B") == text
    assert shown_text(text.replace("\n", "\r\n") + "\x1b[m") == text


words = st.text("abcäöü日 ", min_size=1, max_size=12)


@given(
    st.lists(st.tuples(words, st.sampled_from(["\x1b]0;", "\x1bP", "\x1b_", "\x9b1"])))
)
def test_words_between_openers_stay(parts: list[tuple[str, str]]) -> None:
    """None of them closes anything."""
    text = "".join(f"{word}\n{opener}\n" for word, opener in parts)
    assert shown_text(text) == "".join(f"{word}\n\n" for word, _ in parts)


@given(st.lists(words, min_size=1))
def test_the_last_rewrite_is_what_is_shown(states: list[str]) -> None:
    """Of lines that are erased each time."""
    text = "".join(f"\r\x1b[K{state}" for state in states)
    assert shown_text(f"{text}\n") == f"{states[-1]}\n"


@pytest.mark.parametrize(
    "before", ["", "x" * 8000, "日" * 4000 + "\r", "\t" * 900 + "\r"]
)
@pytest.mark.parametrize(
    "unit",
    [
        *(
            "\x1b",
            "\x1b[",
            "\x1b[1",
            "\x9b;",
            "\x1b]",
            "\x1b]0;a",
            "\x90",
            "\x1bP\x1b\x1b",
        ),
        *(
            "\u0301",
            "\u0301\0",
            "日",
            "日\r",
            "\t",
            "\t\r",
            "ab\b",
            "10%\r",
            "\x1b(",
            "😀",
        ),
        *("\x1b[1K", "x\x1b[1K", "x\x1b[2K", "\x1b[999Cx\r", "\x1b[999Cx\n", "\x1b[B"),
        *(
            "\n\x1b[A",
            "\x1b7\x1b[Hx\x1b8",
            "x\n\n\x1b[2A\x1b[J",
            "\x1b[Hx",
            "\x1b     ",
        ),
    ],
)
def test_takes_no_time(before: str, unit: str) -> None:
    """Of the most that is kept of an output: nobody can hold up Home Assistant with it."""
    text = (before + unit * TAIL_BYTES)[:TAIL_BYTES]
    started = time.thread_time()
    shown_text(text, cut=True)
    assert time.thread_time() - started < 0.5


# Where an output was cut


def reported(written: bytes) -> str:
    """Return what AWS is told of an output."""
    tail = Tail()
    tail.feed(written)
    progress = JobProgress(steps=(), stdout=tail.text())
    return final_details("r", progress, include_stdout=True).get("stdout", "")


@pytest.mark.parametrize(
    "sequence",
    [
        *("\x1b[31m", "\x1b[1;31m", "\x1b[38;5;12m", "\x1b[0K", "\x1b[?25l", "\x1b[K"),
        f"\x1b]8;;https://example.com/{ST}",
    ],
)
def test_a_sequence_that_the_tail_cuts_in_two(sequence: str) -> None:
    """The rest of it is no text, wherever the cut lies."""
    for more in range(len(sequence)):
        text = "end" + "d" * more
        written = (sequence * TAIL_BYTES + text).encode()
        shown = reported(written)
        assert shown.endswith(text)
        # Less than a bracket or a semicolon could be text as well.
        assert re.fullmatch(r"[0-9;]{0,2}[A-Zl;]?|\\", shown.removesuffix(text)), shown


@pytest.mark.parametrize(
    "start",
    [
        "[12:30:01] started",
        "[1/3] started",
        "5m ago",
        "2024-01-01",
        "[error] no",
        "1;2",
        "x m",
    ],
)
def test_text_at_the_cut_is_no_rest(start: str) -> None:
    """What may be text stays."""
    assert shown_text(f"{start}\n\x1b[31mred\x1b[m", cut=True) == f"{start}\nred"


def test_short_output_is_not_cut() -> None:
    """So nothing at its beginning is the rest of anything."""
    assert reported(b"[32mok\x1b[m") == "[32mok"


def test_the_end_is_taken_of_what_is_shown() -> None:
    """Sequences and old states take no room from the text, and none is cut in two."""
    text = "".join(f"{n:04}" for n in range(256))
    coloured = "".join(f"\x1b[38;5;1m{digit}\x1b(B\x1b[m" for digit in text)
    assert reported(coloured.encode()) == text
    assert reported(b"99%\r" * 4000 + f"\r\x1b[K{text}".encode()) == text


async def test_what_a_program_writes(device: Device, service: FakeJobsService) -> None:
    """From its bytes to what AWS has: bold and plain as tput has it, also with 8 bits."""
    written = (
        r"\033[1mok\033(B\033[m\n\2331mred\2330m\n10%%\r100%%\n\033]0;never closed"
    )
    job = service.create_job(document(command_step(f"printf,{written}")))
    await service.ended(job)
    assert job.status_details["stdout"] == "ok red 100% never closed"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_output_is_told_as_a_terminal_shows_it(name: str) -> None:
    """Each of both."""
    written = "\x1b[1mok\x1b(B\x1b[m\n 10%\r100%\n"
    details = final_details(
        "r", JobProgress(steps=(), **{name: written}), include_stdout=True
    )
    assert details[name] == "ok\n100%\n"
