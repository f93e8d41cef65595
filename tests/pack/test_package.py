"""What "cmake --install" and the Debian package bring, and that it works from
there: the release build that ./dev test has made before, in scratch folders."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1]
RELEASE = Path(os.environ["RELEASE"])
sys.path.insert(0, str(HERE.parent / "api"))

# pylint: disable=wrong-import-position
from server import Schedd  # noqa: E402


def run(*words, **options):
    """Runs a program to its end; it must end well. What it wrote."""
    options.setdefault("timeout", 120)
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def reviewed():
    """The list of files: (mode, owner, name)."""
    lines = (HERE / "files.txt").read_text().splitlines()
    return [tuple(line.split()) for line in lines if line and line[0] != "#"]


@pytest.fixture(name="package", scope="module")
def _package(tmp_path_factory):
    """The package, made here."""
    folder = tmp_path_factory.mktemp("package")
    run("cpack", "--config", RELEASE / "CPackConfig.cmake", "-B", folder)
    (package,) = folder.glob("*.deb")
    return package


@pytest.fixture(name="root", scope="module")
def _root(package, tmp_path_factory):
    """What it holds, unpacked."""
    root = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "-x", package, root)
    return root


# -- what it holds ----------------------------------------------------------


def test_files(package):
    """The list, with modes and owners."""
    rows = [line.split() for line in run("dpkg-deb", "-c", package).splitlines()]
    found = [(row[0], row[1], row[5][1:]) for row in rows if row[0][0] != "d"]
    assert sorted(found, key=lambda row: row[2]) == reviewed()
    folders = {(row[0], row[1]) for row in rows if row[0][0] == "d"}
    assert folders == {("drwxr-xr-x", "root/root")}


def test_install(root, tmp_path):
    """"cmake --install" brings the same, and puts it where it is told."""
    run("cmake", "--install", RELEASE, env={**os.environ, "DESTDIR": str(tmp_path)})
    found = sorted(str(p)[len(str(tmp_path)) :] for p in tmp_path.rglob("*") if p.is_file())
    assert found == [name for _, _, name in reviewed()]
    for name in found:
        if "/bin/" not in name and "/sbin/" not in name:  # those are stripped
            assert (tmp_path / name[1:]).read_bytes() == (root / name[1:]).read_bytes()


def test_another_prefix(tmp_path):
    """Of a build for another prefix the unit names what is there."""
    prefix, build = tmp_path / "opt", tmp_path / "build"
    run("cmake", "-S", SOURCE, "-B", build, "-G", "Ninja", "-DSCHEDD_TESTS=OFF",
        "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_INSTALL_PREFIX={prefix}")  # fmt: skip
    unit = (build / "pack/schedd.service").read_text()
    assert f"ExecStart={prefix}/sbin/schedd -c {prefix}/etc/schedd/schedd.conf\n" in unit
    assert not re.search(r"@\w+@", unit)
    rules = (build / "pack/cmake_install.cmake").read_text()
    assert f'"{prefix}/etc/schedd"' in rules and "zsh/site-functions" in rules


def test_control(package):
    """What dpkg is told: what is needed, what is the administrator's."""
    field = lambda name: run("dpkg-deb", "-f", package, name).strip()  # noqa: E731
    version = run(RELEASE / "schedd", "--version").split()[1]
    assert field("Package") == "schedd" and field("Version") == version
    assert field("Architecture") == run("dpkg", "--print-architecture").strip()
    needs = [re.split(r"[ (|]", need)[0] for need in field("Depends").split(", ")]
    assert {"redis-server", "systemd", "libc6", "libevent-2.1-7", "libssl3"} <= set(needs)
    # All of that is on the machine that the programs were built on.
    assert "ii " * len(needs) == run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", *needs)
    conffiles = run("dpkg-deb", "-I", package, "conffiles").splitlines()
    assert sorted(conffiles) == [name for _, _, name in reviewed() if name.startswith("/etc/")]
    for script in ("postinst", "prerm", "postrm"):
        text = run("dpkg-deb", "-I", package, script)
        assert text.startswith("#!/bin/sh\n") and "\nset -e\n" in text
        run("sh", "-n", "-c", text)


def test_changelog(root):
    """Its version and date are those of the build."""
    text = run("zcat", root / "usr/share/doc/schedd/changelog.gz")
    done = run("dpkg-parsechangelog", "-l", "-", input=text)
    assert re.search(r"^Version: (.*)$", done, re.M).group(1) == (
        run(RELEASE / "schedd", "--version").split()[1]
    )
    date = re.search(r"^Date: (.*)$", done, re.M).group(1)
    made = run("date", "-u", "-d", date, "+%Y-%m-%d").strip()
    assert f"set(SCHEDD_DATE {made})" in (SOURCE / "CMakeLists.txt").read_text()


def test_links(root):
    """Links between the installed pages lead somewhere."""
    folder = root / "usr/share/doc/schedd"
    pages = list(folder.glob("*.md"))
    assert len(pages) > 5
    for page in pages:
        for target in re.findall(r"\]\(([\w./-]+\.md)", page.read_text()):
            assert (folder / target).exists(), f"{page.name}: {target}"


# -- the service's files ----------------------------------------------------


def test_unit(root):
    """How exposed it is, by systemd's own measure: 1.5 of 10 at most."""
    unit = root / "usr/lib/systemd/system/schedd.service"
    words = ("systemd-analyze", "security", "--offline=yes", "--no-pager")
    text = run(*words, "--threshold=15", unit)
    found = re.search(r"exposure level for schedd.service: (\d\.\d)", text)
    assert float(found.group(1)) <= 1.5
    # The measure measures: a setting less is seen.
    text = run(*words, "--threshold=100", weaker(unit, root))
    found = re.search(r"exposure level for weaker.service: (\d\.\d)", text)
    assert float(found.group(1)) > 1.5


def weaker(unit, root):
    """The unit without its filter of system calls."""
    text = re.sub(r"^SystemCall.*\n", "", unit.read_text(), flags=re.M)
    path = root / "weaker.service"
    path.write_text(text)
    return path


def test_unit_is_understood(root):
    """No word in it that systemd would skip, no program that is not there."""
    shell = root / "bin/sh"
    shell.parent.mkdir()
    shutil.copy("/bin/sh", shell)
    for target in Path("/lib/systemd/system").glob("*.target"):
        shutil.copy(target, root / "usr/lib/systemd/system")

    def verify():
        return subprocess.run(
            ["systemd-analyze", "verify", "--man=no", f"--root={root}", "schedd.service"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        ).stderr

    assert verify() == ""
    shell.unlink()
    assert "/bin/sh is not executable" in verify()


# -- installed and used -----------------------------------------------------


class Installed(Schedd):
    """The schedd of a root folder with the settings that are in it; only what
    names folders of this machine is said anew."""

    def __init__(self, root, folder):
        super().__init__(folder)
        self.root = root

    def command(self):
        return [
            str(self.root / "usr/sbin/schedd"),
            *("-c", str(self.root / "etc/schedd/schedd.conf")),
            f"--server.state_dir={self.folder}/state",
            "--http.listen=127.0.0.1:0",
        ]

    def write_settings(self):
        """They are there already."""


def test_from_there(root, tmp_path):
    """A task's life with what was installed, and nothing else."""
    schedd = Installed(root, tmp_path / "s").start()

    def ctl(*words):
        return run(root / "usr/bin/schedctl", "--server", f"http://{schedd.addr}", *words)

    try:
        ctl("task", "push", "mail", '{"to":"you"}', "--id", "a")
        assert '{"to":"you"}' in ctl("task", "take", "mail", "--worker", "w")
        ctl("task", "report", "mail", "--worker", "w", "--finished", "a")
        assert "finish" in ctl("task", "show", "mail", "a")
    finally:
        schedd.stop()
    text = run(schedd.command()[0], *schedd.command()[1:3], "--print-config")
    assert "server.state_dir = /var/lib/schedd  # " in text
    assert text.count("# default") == text.count("\n") - 1


# -- dpkg's own way ---------------------------------------------------------


class Dpkg:
    """dpkg on a folder, as the packages of a new machine are installed: its
    scripts run outside, and are told of the folder by DPKG_ROOT."""

    def __init__(self, root):
        self.root = root
        for name in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "etc", "var/log"):
            (root / name).mkdir(parents=True)
        (root / "var/lib/dpkg/status").write_text("")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root / "etc/group").write_text("root:x:0:\n")

    def do(self, *words):
        """One command."""
        forced = "--force-script-chrootless,depends,confold,bad-path"
        return run(
            "dpkg", f"--root={self.root}", forced, "--log=/dev/null", *words,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    def wants(self):
        """Is the service started with the machine?"""
        name = "etc/systemd/system/multi-user.target.wants/schedd.service"
        return os.path.lexists(self.root / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="dpkg changes owners, which only root may")
def test_life_of_the_package(package, tmp_path):
    """Installed, upgraded, removed, purged: settings and tasks stay until the
    last of them."""
    dpkg = Dpkg(tmp_path)
    settings, state = tmp_path / "etc/schedd/schedd.conf", tmp_path / "var/lib/schedd"
    dpkg.do("-i", package)
    assert dpkg.wants()
    found = re.search(
        r"^schedd:x:(\d+):(\d+):.*:/var/lib/schedd:/usr/sbin/nologin$",
        (tmp_path / "etc/passwd").read_text(),
        re.M,
    )
    status = state.stat()
    assert (status.st_uid, status.st_gid) == tuple(map(int, found.groups()))
    assert status.st_mode & 0o777 == 0o700

    (state / "task").write_text("x")
    settings.write_text("# mine\n")
    dpkg.do("-i", package)
    assert settings.read_text() == "# mine\n" and (state / "task").exists()

    dpkg.do("-r", "schedd")
    assert not (tmp_path / "usr/sbin/schedd").exists()
    assert settings.read_text() == "# mine\n" and (state / "task").exists()

    (tmp_path / "etc/schedd/key.pem").write_text("")
    logs = tmp_path / "var/log/schedd"
    logs.mkdir()
    (logs / "error.log").write_text("")
    dpkg.do("-P", "schedd")
    assert not settings.exists() and not state.exists() and not logs.exists()
    assert not dpkg.wants()
    # What the package did not bring, it does not take.
    assert (tmp_path / "etc/schedd/key.pem").exists()
