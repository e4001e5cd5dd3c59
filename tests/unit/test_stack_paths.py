"""Which addons there are, and what they stand on."""

from stack.paths import addon_dirs, cache_dir, with_dependencies


def make_addon(root, name, depends):
    (root / name).mkdir()
    (root / name / "__manifest__.py").write_text(repr({"name": name, "depends": depends}))


def test_dependencies_among_our_own_addons_are_followed(tmp_path):
    make_addon(tmp_path, "smart_dairy_farm", ["mail"])
    make_addon(tmp_path, "smart_dairy_iot", ["smart_dairy_farm", "bus"])
    make_addon(tmp_path, "smart_dairy_iot_milk", ["smart_dairy_iot"])
    (tmp_path / "smart_dairy_unfinished").mkdir()
    names = ["smart_dairy_iot"]
    assert with_dependencies(names, tmp_path) == {"smart_dairy_farm", "smart_dairy_iot"}
    assert names == ["smart_dairy_iot"]
    assert [path.name for path in addon_dirs(tmp_path)] == [
        "smart_dairy_farm",
        "smart_dairy_iot",
        "smart_dairy_iot_milk",
    ]


def test_the_cache_lies_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "smart-dairy-iot"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "smart-dairy-iot"
