#!/usr/bin/env bash
# Makes sure of the tools that a machine needs besides Go, make and git:
#
#   setup.sh [docker] [compose] [mmdebstrap]
#
# What is missing is installed from the distribution, by root on Debian and Ubuntu. Anywhere else it
# says what to type. Where nothing is missing, it says and changes nothing.
set -euo pipefail

packages=() reasons=()
for tool; do
  case $tool in
  docker)
    # The client alone will do where it is told of an engine elsewhere.
    if ! command -v docker >/dev/null || { [[ -z ${DOCKER_HOST-} ]] && ! docker version &>/dev/null && ! command -v dockerd >/dev/null; }; then
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
  # Two base images may be made at once, and apt-get does not wait for another.
  exec {lock}>/run/lock/boardcafe-setup
  flock "$lock"
  apt-get update -qq
  # What they are called differs: the client is a package of its own in some releases, and Compose is
  # the plugin in Ubuntu, the older program in Debian.
  known=()
  for package in "${packages[@]}"; do
    if [[ $package == docker-compose && " ${known[*]} " == *" docker-compose-v2 "* ]]; then continue; fi
    if [[ -n $(apt-cache show "$package" 2>/dev/null) ]]; then known+=("$package"); fi
  done
  echo "Installing from the distribution: ${known[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends iptables "${known[@]}" >/dev/null
  exec {lock}>&- # not for the engine to hold, which may be started below
fi

if [[ " $* " == *" docker "* ]] && ! refusal=$(docker version 2>&1 >/dev/null); then
  echo "The Docker engine does not answer: ${refusal%%$'\n'*}" >&2
  if [[ -n ${DOCKER_HOST-} ]]; then exit 1; fi
  if [[ $refusal == *"permission denied"* ]]; then
    echo "To be allowed to use it, type: sudo usermod -aG docker $(id -un) && newgrp docker" >&2 && exit 1
  fi
  if [[ $(id -u) != 0 ]]; then
    echo "To start it, type: sudo make setup" >&2 && exit 1
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
