#!/usr/bin/env bash
# Makes the secrets of `make up` that are missing: random, readable by their owner only, never in git.
#
#   secrets.sh APP_IMAGE      prints the sign-in, the one time that it is known; else nothing
#
# They belong to whoever runs this, and the containers run as that user (see compose.yaml). Root's
# would make the containers run as root, so these go to the number that the app's image runs as.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

for name in db_password migrate_password session_key; do
  [[ -s secrets/$name ]] || random 32 >"secrets/$name"
done
if [[ ! -s secrets/staff ]]; then
  password=$(random 8)
  printf %s "$password" | docker run --rm -i --network none "$1" hash-password staff >secrets/staff
  echo "Sign in as staff with the password $password (shown this once; delete infra/secrets/staff for another)"
fi
if [[ $(id -u) == 0 ]]; then chown 65532:65532 secrets/*; fi
