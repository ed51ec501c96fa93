"""No secret is shown of what a stream brings, however it is cut into chunks."""

from hypothesis import given, strategies as st

from custom_components.aws_iot_jobs.jobs.redact import without_signatures
from custom_components.aws_iot_jobs.jobs.redacted_lines import LONGEST, RedactedLines

_URL = "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=secret&X-Amz-Date=1"
_PIECES = st.sampled_from(
    [_URL, "http", "https://", "h", " ", "\n", '"', "é😀", "a?b", "X-Amz-", "word", "<"]
)


@given(st.lists(_PIECES, max_size=12), st.data())
def test_however_it_is_cut_the_text_is_that_of_the_whole(
    pieces: list[str], data: st.DataObject
) -> None:
    """Also where a line is not waited for to its end."""
    written = "".join(pieces)
    raw = written.encode()
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=6).map(sorted))
    lines, text = RedactedLines(), ""
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        text += lines.feed(raw[begin:end])
        if data.draw(st.booleans()):
            text += lines.give_words()
    assert text + lines.end() == without_signatures(written)


@given(st.integers(min_value=0, max_value=LONGEST + 50), st.integers(1, 9000))
def test_a_secret_in_a_word_without_end_is_hidden(before: int, size: int) -> None:
    """Wherever its beginning falls."""
    raw = b"x" * before + b"https://h/?X-Amz-Signature=" + b"s" * 40_000 + b" end\n"
    lines = RedactedLines()
    text = "".join(lines.feed(raw[at : at + size]) for at in range(0, len(raw), size))
    assert "ss" not in text
    assert text.startswith("x" * before + "https://h/")
    assert text.endswith(" end\n")
    assert not lines.waiting


def test_a_line_that_is_not_ended_is_not_kept_for_ever() -> None:
    """A gigabyte without a newline takes no more memory than a line may."""
    lines = RedactedLines()
    text = "".join(lines.feed("é".encode() * 5001) for _ in range(100))
    assert lines.waiting <= LONGEST
    assert text + lines.end() == "é" * 500_100


def test_a_long_word_that_is_no_url_is_shown() -> None:
    """Though it looks like the beginning of one."""
    lines = RedactedLines()
    text = "".join(lines.feed(b"xhttp-" * 3000) for _ in range(5))
    assert lines.waiting <= LONGEST
    assert text + lines.end() == "xhttp-" * 15_000


def test_line_ends_of_all_kinds_are_newlines() -> None:
    """What tells of its progress in one line has a line for each."""
    lines = RedactedLines()
    told = [lines.feed(data) for data in (b"a\r", b"\nb\r", b"10 %\r20 %", b"\r\r\n")]
    assert told == ["", "a\n", "b\n10 %\n", "20 %\n\n"]
    assert lines.feed(b"\0\xff\x1b[1mbold\t\n") == "\ufffd\ufffd\x1b[1mbold\t\n"


def test_what_hides_nothing_is_shown_before_its_line_ends() -> None:
    """But for what may be the beginning of a secret."""
    lines = RedactedLines()
    assert lines.feed(b"Testing disk...") == ""
    assert lines.give_words() == "Testing disk..."
    assert lines.feed(b" at ht") + lines.give_words() == " at "
    assert lines.feed(b"tps://h/?X-Amz-S=1") + lines.give_words() == ""
    assert lines.feed(b"\n") == "https://h/\n"
