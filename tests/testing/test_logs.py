"""Expected lines of the log: kept out of it, and missed when they do not come."""

from __future__ import annotations

import logging
import re
import warnings

import pytest

from tornadic.testing import ExpectLog

LOGGER = logging.getLogger("tests.expected")
CHILD = logging.getLogger("tests.expected.child")


def shown(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What came through."""
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("logger", [LOGGER, LOGGER.name])
def test_matches_are_kept_out_and_counted(
    caplog: pytest.LogCaptureFixture, logger: logging.Logger | str
) -> None:
    with ExpectLog(logger, r"the (first|second)") as expected:
        LOGGER.warning("the %s thing", "first")
        LOGGER.error("another thing")
        LOGGER.error("the second thing")
    assert shown(caplog) == ["another thing"]
    assert expected.matched == 2
    assert not expected.logged_stack
    LOGGER.warning("the first thing")
    assert shown(caplog) == ["another thing", "the first thing"]


def test_matches_from_the_beginning_of_the_message(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AssertionError), ExpectLog(LOGGER, "thing"):
        LOGGER.warning("a thing")
    assert shown(caplog) == ["a thing"]


def test_compiled_patterns() -> None:
    with ExpectLog(LOGGER, re.compile("a thing", re.IGNORECASE)):
        LOGGER.warning("A THING")


def test_only_what_is_logged_there_directly(caplog: pytest.LogCaptureFixture) -> None:
    for logger in (LOGGER, ""):
        with pytest.raises(AssertionError), ExpectLog(logger, "thing"):
            CHILD.warning("thing")
    with ExpectLog("", "thing"):
        logging.getLogger().warning("thing")
    assert shown(caplog) == ["thing", "thing"]


def test_none_came() -> None:
    with (
        pytest.raises(AssertionError, match="did not get expected log message 'thing'"),
        ExpectLog(LOGGER, "thing"),
    ):
        pass
    assert LOGGER.filters == []


def test_none_came_and_none_had_to() -> None:
    with ExpectLog(LOGGER, "thing", required=False) as expected:
        pass
    assert expected.matched == 0


def test_exceptions_of_the_block_go_first() -> None:
    with pytest.raises(ZeroDivisionError), ExpectLog(LOGGER, "thing"):
        raise ZeroDivisionError
    assert LOGGER.filters == []


def test_used_twice_it_expects_twice() -> None:
    expected = ExpectLog(LOGGER, "thing")
    with expected:
        LOGGER.warning("thing")
    with pytest.raises(AssertionError), expected:
        pass


@pytest.mark.parametrize("message", ["thing", "another"])
def test_stacks_are_noticed_in_any_record(message: str) -> None:
    with ExpectLog(LOGGER, "thing", required=False) as expected:
        LOGGER.error(message, exc_info=ValueError("why"))
    assert expected.logged_stack


def test_nested() -> None:
    with ExpectLog(LOGGER, "thing") as outer, ExpectLog(LOGGER, "other") as inner:
        LOGGER.warning("thing")
        LOGGER.warning("other")
    assert (outer.matched, inner.matched) == (1, 1)


def test_a_message_that_cannot_be_made_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    seen: list[logging.LogRecord] = []
    monkeypatch.setattr(LOGGER, "handle", lambda record: seen.append(record))
    expected = ExpectLog(LOGGER, ".*")
    with pytest.raises(AssertionError), expected:
        LOGGER.warning("%d things", "several")
        assert expected.filter(seen[0])


class TestLevel:
    def test_lower_levels_are_let_through_for_the_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LOGGER, "level", logging.ERROR)
        with ExpectLog(LOGGER, "thing", level=logging.DEBUG):
            LOGGER.debug("thing")
        assert LOGGER.level == logging.ERROR

    def test_the_level_of_the_parents_comes_back(self) -> None:
        assert LOGGER.level == logging.NOTSET
        with pytest.raises(ZeroDivisionError), ExpectLog(LOGGER, "thing", level=logging.DEBUG):
            assert LOGGER.level == logging.DEBUG
            raise ZeroDivisionError
        assert LOGGER.level == logging.NOTSET

    def test_a_level_that_passes_anyway_changes_nothing(self) -> None:
        with ExpectLog(LOGGER, "thing", level=logging.CRITICAL):
            assert LOGGER.level == logging.NOTSET
            LOGGER.critical("thing")

    @pytest.mark.parametrize("level", [logging.WARNING, logging.CRITICAL])
    def test_another_level_is_no_match(self, caplog: pytest.LogCaptureFixture, level: int) -> None:
        with pytest.raises(AssertionError), ExpectLog(LOGGER, "thing", level=level):
            LOGGER.error("thing")
        assert shown(caplog) == [
            "Got expected log message 'thing' at unexpected level "
            f"({logging.getLevelName(level)} vs ERROR)",
            "thing",
        ]

    def test_low_levels_have_to_be_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LOGGER, "level", logging.DEBUG)
        for level in (logging.DEBUG, logging.INFO):
            with (
                pytest.warns(DeprecationWarning, match="INFO or below") as caught,
                ExpectLog(LOGGER, "thing"),
            ):
                LOGGER.log(level, "thing")
            assert caught[0].filename == __file__
            with ExpectLog(LOGGER, "thing", level=level):
                LOGGER.log(level, "thing")

    def test_no_warning_if_it_makes_no_difference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LOGGER, "level", logging.DEBUG)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with ExpectLog(LOGGER, "thing"):
                LOGGER.info("thing")
                LOGGER.warning("thing")
            with ExpectLog(LOGGER, "thing", required=False):
                LOGGER.info("thing")
