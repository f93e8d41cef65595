"""The manual pages that the build made: clean for the tools that print them,
and whole; and what becomes of Markdown in general."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2]
PAGES = Path(os.environ["PACK"])
NAMES = ("schedctl.1", "schedd.8", "schedd.conf.5")
# A line of code, or a picture of a screen, is not filled: it is as wide as in
# docs/, which is 80 at most.
WIDTH, CODE_WIDTH = 80, 9 + 80


def run(*words, **options):
    """Runs a program to its end."""
    options.setdefault("check", True)
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **options)


def printed(path):
    """A page as text, as man prints it, without hyphenation."""
    words = ("groff", "-man", "-Tutf8", "-Kutf8", "-P-cbou", "-rHY=0", "-dAD=l")
    return run(*words, str(path)).stdout.replace("\u2010", "-")


def words_of(text):
    """The text with single blanks, to look for phrases in."""
    return re.sub(r"\s+", " ", text)


def part(text, heading):
    """The lines under a heading in column 0 of a printed page."""
    found = re.search(rf"^{heading}\n(.*?)(?=^\S|\Z)", text, re.M | re.S)
    assert found, heading
    return found.group(1)


# -- the three pages --------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_clean(name):
    """Neither mandoc nor groff has anything to say."""
    path = str(PAGES / name)
    done = run("mandoc", "-T", "lint", "-W", "warning", path, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    done = run("groff", "-man", "-ww", "-z", "-Tutf8", "-Kutf8", path)
    assert done.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_shape(name):
    """Name, date and version on top and at the end; nothing too wide."""
    lines = printed(PAGES / name).splitlines()
    title = f"{name[:-2].upper()}({name[-1]})"
    assert lines[0].startswith(title) and lines[0].endswith(title)
    version = run(os.environ["SCHEDD"], "--version").stdout.strip()
    assert re.match(rf"{re.escape(version)} +\d{{4}}-\d\d-\d\d +", lines[-1])
    wide = [line for line in lines if len(line) > WIDTH]
    assert all(line.startswith(" " * 9) and len(line) <= CODE_WIDTH for line in wide), wide
    heads = [line for line in lines[1:-1] if line[:1].strip()]
    assert heads[0] == "NAME" and heads[-1] == "SEE ALSO"
    # No mark of Markdown, and no link's target, is left over.
    text = "\n".join(lines)
    assert not re.search(r"\*\*|\]\(|^\s*\|", text, re.M)


def test_schedctl():
    """Each command and each option that its help knows."""
    text = printed(PAGES / "schedctl.1")
    help_text = run(os.environ["SCHEDCTL"], "help").stdout
    commands = re.search(r"^commands:\n(.*?)\n\n", help_text, re.M | re.S).group(1)
    assert len(commands.splitlines()) > 15
    for line in commands.splitlines():
        usage = re.match(r"  (.*?)(?:  |$)", line).group(1)
        assert re.search(rf"^   {re.escape(usage)}$", text, re.M), usage
        words = re.match(r"[a-z ]*[a-z]", usage).group(0)
        own = run(os.environ["SCHEDCTL"], "help", *words.split()).stdout
        chapter = re.search(rf"^   {re.escape(usage)}\n(.*?)(?=^   \S|^\S)", text, re.M | re.S)
        own, _, globals_ = own.partition("global options:")
        for option in re.findall(r"^  (?:-\w, )?(--[a-z-]+(?: \S+)?)", own, re.M):
            assert f" {option}" in chapter.group(1), (usage, option)
        for option in re.findall(r"^  ((?:-\w, )?--[a-z-]+(?: \S+)?)", globals_, re.M):
            assert f" {option}" in part(text, "OPTIONS"), option


def test_schedd():
    """Each option of schedd, each error with its text."""
    text = printed(PAGES / "schedd.8")
    help_text = run(os.environ["SCHEDD"], "--help").stdout
    options = re.findall(r"^  (-\S+(?: FILE)?)  +(.*)$", help_text, re.M)
    assert len(options) >= 6
    for option, does in options:
        assert f"{option} {does}" in words_of(part(text, "OPTIONS"))
    errors = json.loads(
        run(os.environ["SCHEDCTL"], "--server", "http://127.0.0.1:1", "--json", "errors").stdout
    )["errors"]
    assert len(errors) > 60
    told = words_of(part(text, "ERRORS"))
    for one in errors:
        head = f"E{one['code']:03} {one['name']} ({one['http']}) "
        assert head + one["text"][0].upper() + one["text"][1:] + "." in told, head
    for code in (64, 69, 71, 73, 75, 77, 78):
        assert re.search(rf"^       {code} \(", text, re.M), code


def test_schedd_conf():
    """Each setting, in its section, with its default."""
    text = printed(PAGES / "schedd.conf.5")
    rows = re.findall(
        r'^C\((\w+), +(\w+), .*?"(.*?)"', (SOURCE / "core/conf.def").read_text(), re.M
    )
    assert len(rows) > 40
    for section, key, default in rows:
        # Sections are named in others' text as well.
        chapter = words_of(re.split(rf"^   \[{section}\b", text, flags=re.M)[1])
        found = re.search(rf" {key} Type: [a-z ]+\. Default: (.*?)\. (Range|SIGHUP): ", chapter)
        assert found, (section, key)
        assert found.group(1) == (default or "empty"), (section, key)


# -- what becomes of Markdown -----------------------------------------------

MARKDOWN = """\
# x(7) Tests
## NAME
x - a page
## DESCRIPTION
A `code-word` and **strong `code` words**, a [link](to.md#there), \\*stars\\*,
it's 2 * 3 * 4, [no link] (here).
.Not a request, and
'neither. `--a\\b` stays.

Second paragraph `over
two lines`.

- one
  and a half
- two

1. first
2. second

| option | does |
|---|---|
| `--name N` | with `a\\|b`. Another sentence |
| plain | x |

| event | level | means |
|---|---|---|
| `a.b` | info | it |

| place | by day | by night |
|---|---|---|
| here | sun | |
| there | rain | moon |

    code  'quoted' `x` -- \\n
    .dot

    more

```sh
# no heading
```
### Below
End.
"""


@pytest.fixture(name="make")
def _make(tmp_path):
    """Makes a page of a template; gives what mkman says."""

    def make(template, check=True):
        (tmp_path / "t.md").write_text(template)
        words = (os.environ["MKMAN"], str(tmp_path), "t.md", "1.2", "2026-01-02")
        return run(*words, check=check)

    return make


def test_markdown(make, tmp_path):
    """Each kind of block and mark."""
    page = tmp_path / "x.7"
    page.write_text(make(MARKDOWN).stdout)
    assert run("mandoc", "-T", "lint", "-W", "warning", str(page)).stdout == ""
    text = part(printed(page), "DESCRIPTION")
    assert text.splitlines() == [
        "       A code-word and strong code words, a link, *stars*, it's 2 * 3 * 4, [no",
        "       link] (here). .Not a request, and 'neither.  --a\\b stays.",
        "",
        "       Second paragraph over two lines.",
        "",
        "       • one and a half",
        "",
        "       • two",
        "",
        "       1.  first",
        "",
        "       2.  second",
        "",
        "       --name N",
        "              with a|b.  Another sentence",
        "",
        "       plain  x",
        "",
        "       a.b (info)",
        "              it",
        "",
        "       here   by day: sun",
        "",
        "       there  by day: rain; by night: moon",
        "",
        "         code  'quoted' `x` -- \\n",
        "         .dot",
        "",
        "         more",
        "",
        "         # no heading",
        "",
        "   Below",
        "       End.",
        "",
        "",
        "",
    ]
    assert "\\fBstrong \\fBcode\\fB words\\fR" in page.read_text()


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("", "the template is empty"),
        ("## NAME\n", "the first line is to be '# name(1) What Manual'"),
        ("# x(1) X\n@nothing\n", "there is no @nothing"),
        ("# x(1) X\n@page other.md\n", "@page other.md: expected FILE#Heading"),
        ("# x(1) X\n@page t.md#Gone\n", "t.md: there is no heading '## Gone'"),
        ("# x(1) X\n@page none.md#Gone\n", "none.md: cannot be read"),
        ("# x(1) X\n@commands\n", "docs/schedctl.md: cannot be read"),
    ],
)
def test_refused(make, template, complaint):
    """What is wrong ends it, by name; so does what a page lacks."""
    done = make(template, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("mkman: ") and complaint in done.stderr


def test_a_page_that_lacks_a_row(make, tmp_path):
    """A command, or a setting, that the page does not describe."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/schedctl.md").write_text("# schedctl\n### `audit ls`\nx\n")
    (tmp_path / "docs/config.md").write_text(
        "# S\n## [server]\n### server.state_dir\nType: path.\n### server.drain\nx\n"
    )
    done = make("# x(1) X\n@commands\n", check=False)
    assert "docs/schedctl.md: there is no heading '### `audit verify`'" in done.stderr
    done = make("# x(1) X\n@settings\n", check=False)
    assert "docs/config.md: ### server.drain has no line 'Type: ...'" in done.stderr
