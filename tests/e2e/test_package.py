"""What `make install` and `make deb` put where, and that it says all that the program does: no server is needed."""

import gzip
import json
import os
import re
import shutil
import subprocess

import pytest

from support.job import ROOT, streamlua

PACKAGE = ROOT / ".package"


def run(*words, **more):
    ended = subprocess.run([*map(str, words)], capture_output=True, text=True, **more)
    assert ended.returncode == 0, f"{words}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def needs(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The prefix into which it was installed."""
    prefix = tmp_path_factory.mktemp("installed")
    run(PACKAGE / "install.sh", streamlua(), "", prefix)
    return prefix


@pytest.fixture(scope="module")
def program():
    """Every command with its options, as the program's help has them."""
    commands = re.findall(r"^  streamlua (\w[\w-]*) ", run(streamlua(), "--help"), re.M)
    options = {name: re.findall(r"^  --([\w-]+)", run(streamlua(), name, "--help"), re.M) for name in commands}
    assert len(options) > 8 and "log" in options["run"]
    return options


def test_the_installed_program_runs(installed):
    assert run(installed / "bin/streamlua", "--version") == run(streamlua(), "--version")


def test_what_is_installed_is_taken_away_again_and_nothing_else(tmp_path):
    run(PACKAGE / "install.sh", streamlua(), tmp_path, "/opt/it")
    other = tmp_path / "opt/it/bin/other"
    other.touch()
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 6
    run(PACKAGE / "uninstall.sh", tmp_path, "/opt/it")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [other]
    run(PACKAGE / "uninstall.sh", tmp_path, "/opt/it")  # what is gone is no error


def test_the_man_page_names_every_command_and_option(installed, program):
    needs("man")
    page = installed / "share/man/man1/streamlua.1.gz"
    text = run("man", "-l", page, env={**os.environ, "MANWIDTH": "120", "LC_ALL": "C", "MAN_KEEP_FORMATTING": ""})
    for name, options in program.items():
        section = re.search(rf"^   streamlua {name}\b.*?(?=^   streamlua|^OPTIONS)", text, re.M | re.S)
        assert section, name
        assert [option for option in options if option != "help" and not re.search(rf"^ +--{option}\b", section[0], re.M)] == [], name
    assert "--version" in text and "EXIT STATUS" in text
    # groff finds nothing to complain about.
    checked = subprocess.run(["man", "-l", "--warnings=w", page], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    assert checked.stderr == ""


def test_bash_completes_every_command_and_option(installed, program):
    def completed(*words):
        script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _streamlua; echo "${COMPREPLY[*]}"'
        return run("bash", "-c", script, installed / "share/bash-completion/completions/streamlua", "streamlua", *words).split()

    assert completed("") == list(program)
    for name, options in program.items():
        assert completed(name, "job.lua", "--") == [f"--{option}" for option in options]
    assert completed("job.lua", "--w") == ["--workers", "--watch"]  # what runs a job without the word
    assert completed("job.lua", "--log", "") == ["text", "json"]
    assert completed("dead-letters", "job.lua", "re") == ["replay"]
    assert completed("status", "job.lua", "--pid-file", "") == []  # a file: the shell's own


def test_zsh_knows_every_command_and_option(installed, program):
    path = installed / "share/zsh/site-functions/_streamlua"
    text = path.read_text()
    if shutil.which("zsh"):
        run("zsh", "-n", path)
    for name, options in program.items():
        assert f"\n  '{name}:" in text
        line = re.search(rf"^  {name}\) (.*)", text, re.M)[1]
        assert [option for option in options if f"'--{option}[" not in line] == [], name


def test_the_unit_is_right_and_shut_off(installed):
    needs("systemd-analyze")
    unit = installed / "lib/systemd/system/streamlua@.service"
    assert f"ExecStart={installed}/bin/streamlua run " in unit.read_text()
    ended = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", run("systemd-analyze", "security", "--no-pager", "--offline=true", unit))
    assert float(exposure[1]) < 2


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    for tool in ("dpkg-deb", "dpkg-shlibdeps"):
        needs(tool)
    return run(PACKAGE / "deb.sh", streamlua(), tmp_path_factory.mktemp("deb")).strip()


def test_the_package_runs_where_it_is_unpacked_and_names_the_libraries_that_it_needs(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"usr/bin/streamlua", "usr/share/man/man1/streamlua.1.gz", "usr/share/bash-completion/completions/streamlua",
                     "usr/share/zsh/vendor-completions/_streamlua", "lib/systemd/system/streamlua@.service", "usr/share/doc/streamlua/README.md",
                     "usr/share/doc/streamlua/copyright", "usr/share/doc/streamlua/changelog.gz", "usr/share/lintian/overrides/streamlua"}
    assert "ExecStart=/usr/bin/streamlua run " in (tmp_path / "lib/systemd/system/streamlua@.service").read_text()
    assert b"streamlua" in gzip.decompress((tmp_path / "usr/share/man/man1/streamlua.1.gz").read_bytes())
    program = tmp_path / "usr/bin/streamlua"
    run(program, "new", "shop", cwd=tmp_path)
    run(program, "test", "shop", cwd=tmp_path)  # the stripped program still has what scripts reach by their FFI

    depends = {name.split()[0] for names in run("dpkg-deb", "-f", package, "Depends").split(",") for name in names.split("|")}
    owners = set()
    for path in re.findall(r"=> (/\S+)", run("ldd", program)):
        if any(f"[{os.path.basename(path)}]" in line for line in run("readelf", "-d", program).splitlines()):
            names = [path, os.path.realpath(path), path.removeprefix("/usr")]
            found = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True).stdout  # some of the names are not known
            owners.add(found.split(":")[0])
    sanitizers = {"libasan8", "libubsan1"}
    assert len(owners) > 5
    assert owners - depends - sanitizers - {"libgcc-s1"} == set()
    assert "tzdata" in depends  # time zones, which are read and not linked


def test_lintian_has_nothing_to_say(package):
    needs("lintian")
    checked = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True, text=True)
    found = [line for line in checked.stdout.splitlines() if line[:2] in ("E:", "W:")]
    assert (checked.returncode, found) == (0, []), checked


def test_the_package_installs_and_is_removed_again(package, tmp_path):
    """dpkg with a database of its own: what it unpacks, its scripts, and what it leaves."""
    if os.geteuid() != 0:
        pytest.skip("dpkg --root needs root")
    (tmp_path / "var/lib/dpkg/updates").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/info").mkdir()
    (tmp_path / "var/lib/dpkg/status").touch()
    dpkg = ["dpkg", f"--root={tmp_path}", "--force-depends", "--force-script-chrootless"]
    run(*dpkg, "--install", package)
    assert run("dpkg-query", f"--root={tmp_path}", "-W", "-f", "${Status}", "streamlua") == "install ok installed"
    assert run(tmp_path / "usr/bin/streamlua", "--version") == run(streamlua(), "--version")
    run(*dpkg, "--purge", "streamlua")
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "var/lib/dpkg" not in str(path)] == []
    assert not (tmp_path / "etc/streamlua").exists()


def test_the_image_runs_as_nobody_with_words_that_there_are(program):
    lines = (ROOT / "examples/operations/Dockerfile").read_text()
    copied = {source for words in re.findall(r"^COPY ([^-].*) \S+$", lines, re.M) for source in words.split()}
    assert copied and all((ROOT / source).exists() for source in copied)
    last = lines[lines.rindex("FROM"):]
    assert int(re.search(r"^USER (\d+)", last, re.M)[1]) > 0
    words = json.loads(re.search(r"^CMD (.*)", last, re.M)[1])
    assert words[0] == "run" and {word[2:] for word in words if word.startswith("--")} <= set(program["run"])


def test_what_stands_in_the_config_map_for_kubernetes_is_a_job(program, tmp_path):
    yaml = pytest.importorskip("yaml", reason="python3-yaml is not installed")
    parts = {part["kind"]: part for part in yaml.safe_load_all((ROOT / "examples/operations/kubernetes.yaml").read_text())}
    pod = parts["StatefulSet"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert {word[2:] for word in container["args"] if word.startswith("--")} <= set(program["run"])
    assert [container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")] == ["/readyz", "/healthz"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    [config_map] = [volume["configMap"] for volume in pod["volumes"] if "configMap" in volume]
    assert config_map["name"] == parts["ConfigMap"]["metadata"]["name"]
    for item in config_map["items"]:
        path = tmp_path / item["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(parts["ConfigMap"]["data"][item["key"]])
    (tmp_path / "password").write_text(parts["Secret"]["stringData"]["password"])
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    environment["TIDB_PASSWORD_FILE"] = str(tmp_path / "password")
    assert run(streamlua(), "test", "job.lua", cwd=tmp_path, env={**os.environ, **environment}) == "1 passed, 0 failed\n"
