#!/usr/bin/env bash
# Runs linters. One line for each that passes; everything that it says for one that does not:
#
#   lint.sh [--staged] go|shell|yaml|ansible|containers ...
#
# With --staged only over the files that the next commit changes. The Makefile sets TOOLBOX, the image that has the
# linters, and COMPOSE.
# The functions are called by `check`, and what is in single quotes is expanded in the toolbox:
# shellcheck disable=SC2016,SC2317
set -euo pipefail
cd "$(dirname "$0")/.."

staged=
if [[ ${1-} == --staged ]]; then staged=1 && shift; fi

# check NAME COMMAND...: the exit code decides.
failed=0
check() {
  local name=$1 out
  if out=$("${@:2}" 2>&1); then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    echo "$out"
    failed=1
  fi
}

# files PATTERN...: those that are there and not ignored.
files() {
  if [[ $staged ]]; then
    git diff --cached --name-only --diff-filter=d -- "$@"
  else
    comm -23 <(git ls-files --cached --others --exclude-standard -- "$@" | sort) <(git ls-files --deleted -- "$@" | sort)
  fi
}

# in_toolbox SCRIPT: with the files of standard input in its folder. They are sent, not mounted, as the engine may run
# on another machine.
in_toolbox() {
  tar --create --files-from=- | docker run --rm --interactive --network none --read-only --tmpfs /tmp --cap-drop ALL \
    "$TOOLBOX" bash -euo pipefail -c "tar --extract; $1"
}

go_code() {
  local packages=(./...)
  if [[ $staged ]]; then mapfile -t packages < <(files '*.go' | sed 's|^|./|; s|/[^/]*$||' | sort --unique); fi
  ((${#packages[@]} == 0)) || go tool -modfile=infra/tools/go.mod golangci-lint run --allow-parallel-runners "${packages[@]}"
}

scripts() {
  { files | xargs --delimiter='\n' grep -lE '^#!/(usr/)?bin/(env )?(ba)?sh' /dev/null || true; } |
    in_toolbox 'find . -type f -print0 | xargs -0 --no-run-if-empty shellcheck'
}

yaml() {
  { echo .yamllint && files '*.yml' '*.yaml'; } |
    in_toolbox 'find . -name "*.y*ml" -print0 | xargs -0 --no-run-if-empty yamllint --strict'
}

roles() {
  files ansible | in_toolbox 'cd ansible && ansible-lint --strict -q --nocolor'
}

playbooks() {
  files ansible | in_toolbox 'cd ansible && for playbook in *.yml; do
    ansible-playbook -i inventory.example --syntax-check "$playbook"; done'
}

compose() {
  $COMPOSE -f infra/compose.yaml config --quiet
}

for part; do
  case $part in
  go) check golangci-lint go_code ;;
  shell) check shellcheck scripts ;;
  yaml) check yamllint yaml ;;
  ansible)
    check ansible-lint roles
    check playbooks playbooks
    ;;
  containers)
    check Dockerfiles go test ./tests/lint
    check compose compose
    ;;
  *) echo "lint.sh: no part is called $part" >&2 && exit 64 ;;
  esac
done
exit $failed
