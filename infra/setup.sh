#!/usr/bin/env bash
# Makes sure of the tools that a machine needs besides Go, make and git:
#
#   setup.sh [docker] [compose] [mmdebstrap]
#
# What is missing is installed from the distribution, by root on Debian and Ubuntu. Anywhere else it
# says what to type. Where nothing is missing, it says and changes nothing.
set -euo pipefail

package_here() { [[ -n $(apt-cache show "$1" 2>/dev/null) ]]; }
packages=() reasons=()
for tool; do
  case $tool in
  docker)
    if ! command -v docker >/dev/null; then
      packages+=(docker.io docker-cli) reasons+=("Docker, which runs the containers")
    fi ;;
  compose)
    if ! docker compose version >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then
      packages+=(docker-compose-v2 docker-compose) reasons+=("Compose, which starts them together")
    fi ;;
  mmdebstrap)
    if ! command -v mmdebstrap >/dev/null; then
      packages+=(mmdebstrap debian-archive-keyring) reasons+=("mmdebstrap, which makes base images where none can be pulled")
    fi ;;
  esac
done

if ((${#packages[@]})); then
  printf 'Missing: %s\n' "${reasons[@]}"
  if ! command -v apt-get >/dev/null; then
    echo "Install it from https://docs.docker.com/engine/install/" >&2 && exit 1
  fi
  if [[ $(id -u) != 0 ]]; then
    echo "To install it, type: sudo make setup" >&2 && exit 1
  fi
  package_here docker.io || apt-get update -qq
  # Debian and Ubuntu call some of them differently from one release to the next.
  known=()
  for package in "${packages[@]}"; do
    if package_here "$package"; then known+=("$package"); fi
  done
  echo "Installing from the distribution: ${known[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends iptables "${known[@]}" >/dev/null
fi

if [[ " $* " == *" docker "* ]] && ! refusal=$(docker version 2>&1 >/dev/null); then
  if [[ $(id -u) != 0 ]]; then
    echo "$refusal" | head -n1 >&2
    echo "To start the engine, type: sudo make setup (and to be allowed to use it: sudo usermod -aG docker $USER)" >&2
    exit 1
  fi
  echo "Starting the Docker engine"
  # A machine made from a container image has no systemd, but it has the service's script.
  if [[ -d /run/systemd/system ]]; then systemctl start docker; else service docker start; fi
  for _ in {1..30}; do
    if docker version >/dev/null 2>&1; then exit 0; fi
    sleep 1
  done
  echo "The Docker engine has not answered for 30 s: see journalctl -u docker, or /var/log/docker.log" >&2
  exit 1
fi
