"""Loaders: names, files, and what is kept."""

from __future__ import annotations

import os
import threading
import traceback
from pathlib import Path

import pytest

from tornadic.template import BaseLoader, DictLoader, Loader, ParseError, Template


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory with a secret beside it, and a sibling whose name begins alike."""
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.html").write_text("top")
    (root / "sub" / "a.html").write_text("sub")
    (root / "sub" / "b.html").write_text("{% include a.html %}{% include ../a.html %}")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root-sibling").mkdir()
    (tmp_path / "root-sibling" / "a.html").write_text("sibling")
    return root


def load(root: Path, name: str) -> bytes:
    return Loader(str(root)).load(name).generate()


class TestLoader:
    def test_files_below_the_root(self, root: Path) -> None:
        loader = Loader(os.path.relpath(root))
        assert loader.root == str(root)
        template = loader.load("sub/a.html")
        assert (template.name, template.generate()) == ("sub/a.html", b"sub")
        assert load(root, "./a.html") == load(root, "sub/../a.html") == b"top"

    def test_paths_are_relative_to_the_template_they_stand_in(self, root: Path) -> None:
        assert load(root, "sub/b.html") == b"subtop"
        loader = Loader(str(root))
        assert loader.load("a.html", parent_path="sub/b.html").generate() == b"sub"

    def test_absolute_paths_are_taken_as_they_are(self, root: Path) -> None:
        assert load(root, str(root / "a.html")) == b"top"
        assert load(root, str(root.parent / "secret")) == b"secret"

    @pytest.mark.parametrize(
        "name",
        [
            "../secret",
            "sub/../../secret",
            "./../secret",
            "sub/../../root-sibling/a.html",
            "../root-sibling/a.html",
            "..",
        ],
    )
    def test_no_relative_path_leads_out(self, root: Path, name: str) -> None:
        loader = Loader(str(root))
        with pytest.raises(ValueError, match="is not below"):
            loader.load(name)
        assert loader.templates == {}

    @pytest.mark.parametrize("tag", ["include", "extends"])
    @pytest.mark.parametrize("path", ["../../secret", "../../root-sibling/a.html", "../../../x"])
    def test_nor_those_in_templates(self, root: Path, tag: str, path: str) -> None:
        (root / "sub" / "c.html").write_text(f"{{% {tag} {path} %}}")
        with pytest.raises(ValueError, match="is not below") as caught:
            load(root, "sub/c.html")
        assert caught.value.__notes__ == ["Loaded by sub/c.html:1"]

    def test_symbolic_links_are_followed(self, root: Path) -> None:
        (root / "link.html").symlink_to(root.parent / "secret")
        assert load(root, "link.html") == b"secret"

    def test_no_such_file(self, root: Path) -> None:
        for name, error in (
            ("none.html", FileNotFoundError),
            ("sub", IsADirectoryError),
            ("", IsADirectoryError),
            ("a.html/b", NotADirectoryError),
        ):
            with pytest.raises(error):
                load(root, name)

    def test_names_with_nul(self, root: Path) -> None:
        with pytest.raises(ValueError, match="null"):
            load(root, "a.html\0.txt")
        (root / "c.html").write_text("{% include a.html\0b %}")
        with pytest.raises(ValueError, match="null"):
            load(root, "c.html")

    def test_missing_parent(self, root: Path) -> None:
        (root / "c.html").write_text("\n{% extends none.html %}")
        with pytest.raises(FileNotFoundError) as caught:
            load(root, "c.html")
        assert caught.value.__notes__ == ["Loaded by c.html:2"]

    def test_root_of_the_file_system(self, root: Path) -> None:
        loader = Loader("/")
        assert loader.load(str(root / "a.html")[1:]).generate() == b"top"
        assert loader.resolve_path("b.html", "sub/a.html") == "sub/b.html"

    def test_errors_show_the_file(self, root: Path) -> None:
        path = root / "c.html"
        path.write_text("\n\n{{ 1/0 }}")
        with pytest.raises(ZeroDivisionError) as caught:
            load(root, "c.html")
        frame = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert (frame.filename, frame.lineno, frame.line) == (str(path), 3, "{{ 1/0 }}")
        assert caught.value.__notes__ == ["# c.html:3"]
        path.write_text("\n{{ 1 + }}")
        with pytest.raises(SyntaxError) as syntax:
            load(root, "c.html")
        assert (syntax.value.filename, syntax.value.lineno) == (str(path), 2)
        path.write_text("\n{% foo %}")
        with pytest.raises(ParseError, match=r"c\.html:2"):
            load(root, "c.html")

    @pytest.mark.parametrize(
        ("name", "parent", "expected"),
        [
            ("a", "sub/b", "sub/a"),
            ("a", None, "a"),
            ("../a", None, "../a"),
            ("../a", "sub/b", "a"),
            ("./a//b", "sub/b", "sub/a/b"),
            ("/a", "sub/b", "/a"),
            ("a", "/sub/b", "a"),
            ("a", "<string>", "a"),
            ("..", "sub/b", ""),
            ("../../a", "sub/b", "../../a"),
            ("../../root-sibling/a", "sub/b", "../../root-sibling/a"),
        ],
    )
    def test_resolve_path(self, root: Path, name: str, parent: str | None, expected: str) -> None:
        assert Loader(str(root)).resolve_path(name, parent) == expected


class TestDictLoader:
    @pytest.mark.parametrize(
        ("name", "parent", "expected"),
        [
            ("a", "sub/b", "sub/a"),
            ("a", None, "a"),
            ("../a", "sub/b", "a"),
            ("../../a", "sub/b", "../a"),
            ("/a", "sub/b", "/a"),
            ("a", "/sub/b", "a"),
            ("a", "<string>", "a"),
            ("..", "sub/b", "."),
        ],
    )
    def test_resolve_path(self, name: str, parent: str | None, expected: str) -> None:
        assert DictLoader({}).resolve_path(name, parent) == expected

    def test_names_in_templates_are_relative(self) -> None:
        files = {"sub/a": "{% include b %}{% include '../b' %}{% include /b %}", "sub/b": "1"}
        loader = DictLoader({**files, "b": "2", "/b": "3"})
        assert loader.load("sub/a").generate() == b"123"
        assert loader.load("b", "sub/a").generate() == b"1"

    def test_no_such_name(self) -> None:
        with pytest.raises(KeyError):
            DictLoader({}).load("a")
        with pytest.raises(KeyError) as caught:
            DictLoader({"a": "\n{% include b %}"}).load("a")
        assert caught.value.__notes__ == ["Loaded by a:2"]

    def test_errors_within_say_who_loads(self) -> None:
        loader = DictLoader({"a": "{% extends b %}", "b": "\n{% include c %}", "c": "{% foo %}"})
        with pytest.raises(ParseError, match="unknown tag 'foo' at c:1") as caught:
            loader.load("a")
        assert caught.value.__notes__ == ["Loaded by b:2"]


class TestAll:
    def test_templates_are_kept_until_reset(self) -> None:
        files = {"a": "{% include b %}", "b": "1"}
        loader = DictLoader(files)
        template = loader.load("a")
        assert loader.load("a") is template
        files["b"] = "2"
        assert loader.load("a").generate() == b"1"
        loader.reset()
        assert loader.load("a").generate() == b"2"
        assert template.generate() == b"1"

    def test_what_fails_is_not_kept(self) -> None:
        files = {"a": "{% foo %}"}
        loader = DictLoader(files)
        with pytest.raises(ParseError):
            loader.load("a")
        files["a"] = "1"
        assert loader.load("a").generate() == b"1"

    def test_what_was_loaded_as_a_part_renders_alone(self) -> None:
        loader = DictLoader({"a": "{% include b %}", "b": "{% block c %}{{ x }}{% end %}"})
        assert loader.load("a").generate(x=1) == b"1"
        assert loader.load("b").generate(x=2) == b"2"

    def test_defaults(self) -> None:
        loader = BaseLoader()
        assert (loader.autoescape, loader.namespace, loader.whitespace) == (
            "xhtml_escape",
            {},
            None,
        )
        with pytest.raises(NotImplementedError):
            loader.load("a")
        with pytest.raises(NotImplementedError):
            loader.resolve_path("a")

    def test_loader_of_ones_own(self) -> None:
        class Upper(BaseLoader):
            def resolve_path(self, name: str, parent_path: str | None = None) -> str:
                return name.lower()

            def _create_template(self, name: str) -> Template:
                text = "{% include B %}" if name == "a" else name.upper()
                return Template(text, name=name, loader=self)

        loader = Upper()
        assert loader.load("A").generate() == b"B"
        assert set(loader.templates) == {"a", "b"}

    def test_loader_that_keeps_nothing(self) -> None:
        class Fresh(BaseLoader):
            def load(self, name: str, parent_path: str | None = None) -> Template:
                asked.append((name, parent_path))
                return Template(texts[name], name=name, loader=self)

        texts = {
            "a": "{% extends b %}{% block x %}{% include i %}{% end %}",
            "b": "{% block x %}{% end %}",
            "i": "I",
            "c": "{% include c %}",
        }
        asked: list[tuple[str, str | None]] = []
        assert Fresh().load("a").generate() == b"I"
        assert asked == [("a", None), ("b", "a"), ("i", "a")]
        with pytest.raises(ParseError, match="c contains itself"):
            Fresh().load("c")

    def test_threads_load_one(self) -> None:
        loader = DictLoader({"a": "{% include b %}", "b": "x"})
        found: list[Template] = []
        threads = [
            threading.Thread(target=lambda: found.append(loader.load("a"))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(map(id, found))) == 1
