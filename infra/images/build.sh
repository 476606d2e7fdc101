#!/usr/bin/env bash
# Builds one image, quiet unless that fails, and prints its name and size:
#
#   build.sh IMAGE FOLDER CONTEXT [BASE]      FOLDER has the Dockerfile
set -euo pipefail
image=$1 folder=$2 context=$3 base=${4-}

if ! out=$(docker build --quiet --file "$folder/Dockerfile" ${base:+--build-arg BASE="$base"} --tag "$image" "$context" 2>&1); then
  echo "$out" >&2
  exit 1
fi
docker image ls --format '{{.Repository}}:{{.Tag}}  {{.Size}}' "$image"
