"""What counts as a passed run: whatever only looks like success is a failure."""

import json

from stack.report import Tally, read_junit, summary, write_report


def junit(tmp_path, *cases):
    path = tmp_path / "results.xml"
    path.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    return path


def case(name="test_x", classname="smart_dairy_farm.tests.test_a.TestA", inside="", seconds=0.5):
    return f'<testcase classname="{classname}" name="{name}" time="{seconds}">{inside}</testcase>'


def skipped(reason):
    return f'<skipped type="pytest.skip" message="{reason}">file.py:1</skipped>'


def test_passed_failed_and_broken_tests_are_told_apart(tmp_path):
    path = junit(tmp_path, case(), case(inside="<failure/>"), case(inside="<error/>"))
    tally = read_junit(path, ["smart_dairy_farm"])
    assert (tally.passed, tally.failed, tally.skipped, tally.seconds) == (1, 2, 0, 1.5)


def test_a_skip_with_a_reason_is_counted_and_kept(tmp_path):
    tally = read_junit(junit(tmp_path, case(inside=skipped("needs the community edition"))), [])
    assert (tally.skipped, tally.failed) == (1, 0)
    assert "needs the community edition" in tally.skip_reasons[0]


def test_a_skip_without_a_reason_is_a_failure(tmp_path):
    for reason in ("", "unconditional skip"):
        tally = read_junit(junit(tmp_path, case(inside=skipped(reason))), [])
        assert (tally.skipped, tally.failed) == (0, 1)


def test_a_browser_that_did_not_start_is_a_failure(tmp_path):
    for reason in ("Chrome executable not found", "Failed to detect chrome devtools port after 10.0s."):
        tally = read_junit(junit(tmp_path, case(inside=skipped(reason))), [])
        assert (tally.skipped, tally.failed) == (0, 1)


def test_an_addon_none_of_whose_tests_ran_is_a_failure(tmp_path):
    tally = read_junit(junit(tmp_path, case()), ["smart_dairy_farm", "smart_dairy_iot"])
    assert tally.failed == 1
    assert tally.problems == ["smart_dairy_iot: no test of it ran"]


def test_an_addon_is_not_taken_for_one_whose_name_it_begins_with(tmp_path):
    path = junit(tmp_path, case(classname="build.19.0.smart_dairy_iot_milk.tests.test_a.TestA"))
    assert read_junit(path, ["smart_dairy_iot_milk"]).failed == 0
    assert read_junit(path, ["smart_dairy_iot"]).failed == 1


def test_a_runner_that_wrote_no_results_is_a_failure(tmp_path):
    assert read_junit(tmp_path / "missing.xml", []).failed == 1


def test_the_report_has_each_series_or_says_that_it_was_not_run(tmp_path):
    path = tmp_path / "build" / "test-report.json"
    write_report(
        path, Tally(passed=3), {"17.0": "no Odoo 17.0", "19.0": Tally(passed=5, failed=1, skipped=2, seconds=61.25)}
    )
    report = json.loads(path.read_text())
    assert report["series"]["17.0"] == "not run"
    assert report["not_run"] == {"17.0": "no Odoo 17.0"}
    assert report["unit"]["passed"] == 3
    nineteen = report["series"]["19.0"]
    assert (nineteen["passed"], nineteen["failed"], nineteen["skipped"], nineteen["seconds"]) == (5, 1, 2, 61.2)
    assert len(report["tree"]) == 40


def test_the_last_lines_are_the_totals_and_each_series(tmp_path):
    nineteen = Tally(passed=5, failed=1, skipped=1, skip_reasons=["test_a: because"], problems=["test_b: why"])
    lines = summary(Tally(passed=3), {"17.0": "no Odoo 17.0", "19.0": nineteen})
    assert lines[-2] == "8 passed, 1 failed, 1 skipped"
    assert lines[-1] == "unit: 3 passed, 0 failed, 0 skipped; 17.0: not run; 19.0: 5 passed, 1 failed, 1 skipped"
    assert "skipped: test_a: because" in lines
    assert "problem: test_b: why" in lines
    assert "17.0 not run: no Odoo 17.0" in lines
