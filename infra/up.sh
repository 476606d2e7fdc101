#!/usr/bin/env bash
# Starts the three containers and waits until the café answers: the last step of `make up`.
# The Makefile sets COMPOSE, REGISTRY, RELEASE and the address.
set -euo pipefail
cd "$(dirname "$0")"

compose() { $COMPOSE -f compose.yaml "$@"; }

sign_in=$(./secrets.sh "$REGISTRY/app:$RELEASE")
# Nobody can know it later, so it is said however this ends.
if [[ -n $sign_in ]]; then trap 'echo "$sign_in"' EXIT; fi
CAFE_UID=$(stat -c %u secrets/staff 2>/dev/null || stat -f %u secrets/staff)
export CAFE_UID

# A container keeps the secret file that it was started with.
if ! compose up -d ${sign_in:+--force-recreate}; then
  compose logs --tail=20 db migrate app
  echo "The café did not start; the last lines of its logs are above." >&2
  exit 1
fi

host=$HTTP_BIND
[[ $host == 0.0.0.0 ]] && host=127.0.0.1
ready() {
  exec 3<>"/dev/tcp/$host/$HTTP_PORT" && printf 'GET /readyz HTTP/1.0\r\nHost: cafe\r\n\r\n' >&3 && read -r answer <&3 && [[ $answer == *' 200 '* ]]
}
for ((tries = 1; ; tries++)); do
  if (ready) 2>/dev/null; then break; fi
  if ((tries == 30)); then
    compose ps
    echo "The containers run, but http://$host:$HTTP_PORT/readyz does not answer 200." >&2
    exit 1
  fi
  sleep 1
done
echo "The café is open at http://$host:$HTTP_PORT"
