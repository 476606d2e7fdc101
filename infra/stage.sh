#!/usr/bin/env bash
# One stage of the pipeline: `make NAME` and how long it took. Its output is kept in build/stages/NAME.log
# and, should it fail, the end of it in build/stages/failed.txt, for the page of the build.
set -euo pipefail
cd "$(dirname "$0")/.."
stage=$1
log=build/stages/$stage.log
failed=build/stages/failed.txt
mkdir -p build/stages
rm -f "$failed"

echo "== $stage"
start=$SECONDS
if make --no-print-directory "$stage" 2>&1 | tee "$log"; then
  echo "== $stage took $((SECONDS - start)) s"
else
  # No secret is in it: no stage prints one, and Jenkins masks what it knows only in its own log.
  { echo "$stage failed after $((SECONDS - start)) s. The end of $log:" && tail -n 40 "$log"; } >"$failed"
  echo "== $stage failed after $((SECONDS - start)) s"
  exit 1
fi
