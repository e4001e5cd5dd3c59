"""Which Odoo is run: the order of the places, and both layouts of a source tree."""

import os
import time
import urllib.error

import pytest

from stack import odoo_source
from stack.odoo_source import find_17, find_series, installed_package, official_archive, source_tree
from stack.shell import StackError


def make_tree(home, version=(17, 0), addons="addons", launcher="odoo-bin"):
    (home / "odoo" / "addons").mkdir(parents=True)
    (home / addons).mkdir(parents=True, exist_ok=True)
    (home / "odoo" / "release.py").write_text(f"version_info = ({version[0]}, {version[1]}, 0, FINAL, 0, '')\n")
    (home / launcher).parent.mkdir(parents=True, exist_ok=True)
    (home / launcher).write_text("#!/usr/bin/env python3\n")
    return home


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "smart-dairy-iot"


@pytest.fixture
def no_network(cache, monkeypatch):
    """A machine on which the official archive cannot be reached; counts the attempts."""
    attempts = []

    def refuse(_home):
        attempts.append(1)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(odoo_source, "_download_archive", refuse)
    return attempts


def find(tmp_path, home=None):
    environ = {"ODOO_HOME": str(home)} if home else {}
    return find_17(environ, usual_place=tmp_path / "usual", packaged=tmp_path / "packaged")


def test_a_tree_laid_out_as_in_git_has_two_addons_folders(tmp_path):
    home = make_tree(tmp_path / "git", addons="addons")
    assert source_tree(home, "here").addons_path == (home / "odoo" / "addons", home / "addons")


def test_a_tree_laid_out_as_in_the_archive_has_one_addons_folder(tmp_path):
    home = make_tree(tmp_path / "archive", addons="odoo/addons", launcher="setup/odoo")
    odoo = source_tree(home, "here")
    assert odoo.addons_path == (home / "odoo" / "addons",)
    assert odoo.launcher == home / "setup" / "odoo"


def test_a_folder_without_release_or_launcher_is_no_source_tree(tmp_path):
    assert source_tree(tmp_path, "here") is None
    home = make_tree(tmp_path / "half")
    (home / "odoo-bin").unlink()
    assert source_tree(home, "here") is None


def test_odoo_home_wins_over_the_usual_place(tmp_path, no_network):
    make_tree(tmp_path / "usual")
    home = make_tree(tmp_path / "mine")
    assert find(tmp_path, home).python_path == home


def test_an_odoo_home_that_is_no_17_is_refused_rather_than_passed_over(tmp_path, no_network):
    make_tree(tmp_path / "usual")
    with pytest.raises(StackError, match=r"ODOO_HOME=.*no Odoo 17\.0"):
        find(tmp_path, tmp_path / "nothing")
    with pytest.raises(StackError, match=r"but 18\.0"):
        find(tmp_path, make_tree(tmp_path / "later", version=(18, 0)))


def test_the_usual_place_is_taken_without_touching_the_network(tmp_path, no_network):
    home = make_tree(tmp_path / "usual")
    assert find(tmp_path).python_path == home
    assert not no_network


def test_another_series_in_the_usual_place_is_passed_over(tmp_path, no_network):
    make_tree(tmp_path / "usual", version=(16, 0))
    assert find(tmp_path) is None
    assert len(no_network) == 1


def test_an_installed_package_shows_python_the_package_odoo_alone(tmp_path, cache):
    packaged = tmp_path / "dist-packages"
    make_tree(packaged)
    (packaged / "requests").mkdir()
    odoo = installed_package(packaged, program=packaged / "odoo-bin")
    assert odoo.series == "17.0"
    assert [path.name for path in odoo.python_path.iterdir()] == ["odoo"]


def test_an_archive_out_of_reach_is_not_asked_for_again_before_a_day_has_passed(tmp_path, cache, no_network):
    assert official_archive() is None
    assert official_archive() is None
    assert len(no_network) == 1
    yesterday = time.time() - odoo_source.RETRY_AFTER - 1
    os.utime(cache / "odoo-17.0.unreachable", (yesterday, yesterday))
    assert official_archive() is None
    assert len(no_network) == 2


def test_a_broken_download_leaves_nothing_that_looks_finished(cache, monkeypatch):
    def break_off(*_args, **_options):
        raise ConnectionResetError("cut")

    monkeypatch.setattr(odoo_source.urllib.request, "urlopen", break_off)
    assert official_archive() is None
    assert not (cache / "odoo-17.0").exists()
    assert not list(cache.glob(".odoo-17.0.*"))


def test_a_series_that_cannot_be_had_is_reported_with_its_reason(monkeypatch):
    def gone():
        raise StackError("Debian has moved on")

    monkeypatch.setattr(odoo_source, "find_17", lambda: None)
    monkeypatch.setattr(odoo_source, "fetch_19", gone)
    assert find_series() == {"17.0": "no Odoo 17.0 was found or could be downloaded", "19.0": "Debian has moved on"}
