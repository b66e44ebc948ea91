"""Coroutines as tests: how they are run, and what happens when they take too long."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from tests.testing.support import run_case, source_lines

from tornadic import gen
from tornadic.ioloop import IOLoop
from tornadic.testing import AsyncTestCase, gen_test


@pytest.fixture(autouse=True)
def no_loop_is_left() -> Iterator[None]:
    """A test that ends well leaves the thread without a loop, as it began."""
    yield
    assert IOLoop.current(instance=False) is None


class TestGenTest:
    def test_runs_to_the_end(self) -> None:
        class Case(AsyncTestCase):
            ended = 0

            @gen_test
            async def test_native(self) -> None:
                await asyncio.sleep(0)
                self.ended += 1

            @gen_test
            def test_generator(self) -> Generator[Any, Any, None]:
                one, two = yield [gen.sleep(0), gen.sleep(0)]
                assert one is two is None
                yield gen.moment
                self.ended += 1

            @gen_test()
            def test_parentheses(self) -> Generator[Any, Any, None]:
                yield
                self.ended += 1

            @gen_test
            @gen.coroutine
            def test_two_decorators(self) -> Generator[Any, Any, None]:
                yield gen.sleep(0)
                self.ended += 1

            @gen_test
            def test_function(self) -> None:
                assert IOLoop.current() is self.io_loop
                self.ended += 1

            def tearDown(self) -> None:
                assert self.ended == 1
                super().tearDown()

        assert run_case(Case).passed()

    def test_arguments_and_name_are_passed_on(self) -> None:
        async def function(self: AsyncTestCase, one: int, *, two: int = 2) -> Any:
            """What it says."""
            return [one, two]

        decorated = gen_test(function)

        class Case(AsyncTestCase):
            def test(self) -> None:
                assert decorated(self, 1) == [1, 2]
                assert decorated(self, 1, two=3) == [1, 3]

        assert run_case(Case).passed()
        assert decorated.__name__ == "function"
        assert decorated.__doc__ == "What it says."
        assert inspect.signature(decorated) == inspect.signature(function)
        assert not inspect.iscoroutinefunction(decorated)

    @pytest.mark.parametrize("wrong", [0.5, "5"])
    def test_decorates_functions(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match="timeout="):
            gen_test(wrong)

    def test_exceptions_come_out_with_their_place(self) -> None:
        class Case(AsyncTestCase):
            @gen_test
            async def test_native(self) -> None:
                await asyncio.sleep(0)
                raise OSError("native")

            @gen_test
            def test_generator(self) -> Generator[Any, Any, None]:
                yield gen.sleep(0)
                raise OSError("generator")

            @gen_test
            async def test_of_its_own(self) -> None:
                raise TimeoutError("mine")

        results = run_case(Case)
        for name in ("native", "generator"):
            error = results.error(f"test_{name}")
            assert isinstance(error, OSError)
            assert f'raise OSError("{name}")' in source_lines(error)
        error = results.error("test_of_its_own")
        assert str(error) == "mine" and error.__cause__ is None

    def test_keyboard_interrupt(self) -> None:
        class Case(AsyncTestCase):
            @gen_test
            async def test(self) -> None:
                raise KeyboardInterrupt

        case = Case("test")
        with pytest.raises(KeyboardInterrupt):
            case.run()
        case.doCleanups()


class TestTimeIsOver:
    """What `gen_test` does when the test takes too long."""

    @pytest.mark.parametrize("limited_by", ["argument", "environment"])
    def test_says_where_it_waited(self, limited_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
        decorate: Callable[[Any], Any] = gen_test
        if limited_by == "argument":
            decorate = gen_test(timeout=0.01)
        else:
            monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "0.01")

        class Case(AsyncTestCase):
            @decorate
            async def test_native(self) -> None:
                await self.inner()

            async def inner(self) -> None:
                await asyncio.sleep(1000)

            @decorate
            def test_generator(self) -> Generator[Any, Any, None]:
                yield gen.sleep(1000)

            @decorate
            def test_future(self) -> asyncio.Future[None]:
                return asyncio.Future()

        results = run_case(Case)
        for name in ("test_native", "test_generator", "test_future"):
            error = results.error(name)
            assert isinstance(error, TimeoutError)
            assert str(error) == "Operation timed out after 0.01 seconds"
        assert "await asyncio.sleep(1000)" in source_lines(results.error("test_native"))
        assert "yield gen.sleep(1000)" in source_lines(results.error("test_generator"))
        assert results.warnings == []

    def test_the_argument_goes_before_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ASYNC_TEST_TIMEOUT", "0.05")

        class Case(AsyncTestCase):
            @gen_test(timeout=50)
            async def test(self) -> None:
                await asyncio.sleep(0.1)

        assert run_case(Case).passed()

    def test_before_it_began(self) -> None:
        class Case(AsyncTestCase):
            @gen_test(timeout=0)
            async def test_native(self) -> None:
                await asyncio.sleep(1000)

            @gen_test(timeout=0)
            def test_generator(self) -> Generator[Any, Any, None]:
                yield gen.sleep(1000)

        results = run_case(Case)
        for name in results.outcomes:
            assert isinstance(results.error(name), TimeoutError)
        assert results.warnings == []

    def test_clean_up_is_done(self) -> None:
        events: list[str] = []

        class Case(AsyncTestCase):
            @gen_test(timeout=0.01)
            async def test_native(self) -> None:
                try:
                    await asyncio.sleep(1000)
                finally:
                    events.append("native")

            @gen_test(timeout=0.01)
            def test_generator(self) -> Generator[Any, Any, None]:
                try:
                    yield gen.sleep(1000)
                finally:
                    events.append("generator")

        results = run_case(Case)
        assert sorted(events) == ["generator", "native"]
        assert {type(results.error(name)) for name in results.outcomes} == {TimeoutError}

    def test_a_generator_that_takes_the_error(self) -> None:
        class Case(AsyncTestCase):
            @gen_test(timeout=0.01)
            def test_ends(self) -> Generator[Any, Any, None]:
                try:
                    yield gen.sleep(1000)
                except TimeoutError:
                    pass

            @gen_test(timeout=0.01)
            def test_goes_on(self) -> Generator[Any, Any, None]:
                try:
                    yield gen.sleep(1000)
                except TimeoutError:
                    yield gen.sleep(1000)
                raise AssertionError("came too far")

        results = run_case(Case)
        for name in results.outcomes:
            error = results.error(name)
            assert isinstance(error, TimeoutError)
            assert str(error) == "Operation timed out after 0.01 seconds"

    def test_another_error_instead(self) -> None:
        class Case(AsyncTestCase):
            @gen_test(timeout=0.01)
            def test_generator(self) -> Generator[Any, Any, None]:
                try:
                    yield gen.sleep(1000)
                except TimeoutError:
                    raise OSError("instead") from None

            @gen_test(timeout=0.01)
            async def test_native(self) -> None:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    raise OSError("instead") from None

        results = run_case(Case)
        for name in results.outcomes:
            assert isinstance(results.error(name), OSError)
