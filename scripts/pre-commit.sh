#!/bin/sh
# Checks the staged files. Install it with: ln -s ../../scripts/pre-commit.sh .git/hooks/pre-commit
set -eu
cd "$(git rev-parse --show-toplevel)"

staged() { git diff --cached --name-only --diff-filter=ACMR -- "$@"; }

if [ -n "$(staged '*.rs')" ]; then
    cargo fmt --all --check
fi
cargo xtask tidy

if [ -n "$(staged '*.sh')" ]; then
    if command -v shellcheck > /dev/null; then
        # The staged version, which may differ from the file on disk.
        staged '*.sh' | while IFS= read -r file; do
            git show ":$file" | shellcheck -
        done
    else
        echo "pre-commit: shellcheck is not installed: apt-get install shellcheck" >&2
    fi
fi
