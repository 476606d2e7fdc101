#!/usr/bin/env bash
# Makes sure that a base image is on this machine:
#
#   base.sh debian|mysql|nginx      boardcafe/base-debian:12, base-mysql:9.7 or base-nginx:1.30
#
# That is the official image where it is present or can be pulled. Where no registry answers, it is a
# stand-in: the same programs from Debian packages and nothing else. Our Dockerfiles take no more than
# the programs from either (settings, user and start are theirs), so they need not know which it is.
set -euo pipefail
cd "$(dirname "$0")"

unneeded=('/usr/share/doc/*' '/usr/share/info/*' '/usr/share/locale/*' '/usr/share/man/*')
case ${1-} in
debian) official=debian:12 suite=bookworm packages=(apt) ;;
mysql)
  official=mysql:9.7 suite=sid packages=('mysql-server-core=9.7.*' 'mysql-client-core=9.7.*')
  # A third of the size: plugins that we do not load (it wants some component_*), and Perl for scripts that we do not run.
  unneeded+=('/usr/lib/mysql/plugin/[!c]*' '/usr/share/perl/*' '/usr/lib/*/perl/*' '/usr/bin/myisam*' /usr/bin/mysqlslap)
  ;;
nginx) official=nginx:1.30 suite=sid packages=('nginx=1.30.*') ;;
*) echo "usage: base.sh debian|mysql|nginx" >&2 && exit 64 ;;
esac
image=boardcafe/base-$official
# A stand-in is made again when what makes it has changed; an official image has no such label.
recipe="$suite: ${packages[*]} without ${unneeded[*]}"
# A registry that did not answer is not asked again: behind some firewalls that is minutes each time.
no_registry=../../../build/no-registry

if label=$(docker image inspect --format '{{index .Config.Labels "boardcafe.recipe"}}' "$image" 2>/dev/null); then
  [[ -n $label && $label != "$recipe" ]] || exit 0
elif docker image inspect "$official" >/dev/null 2>&1; then
  exec docker tag "$official" "$image"
fi
if [[ ! -e $no_registry ]]; then
  if timeout 600 docker pull "$official"; then exec docker tag "$official" "$image"; fi
  mkdir -p "${no_registry%/*}"
  echo "Delete this file to try a pull again." >"$no_registry"
fi
echo "$official cannot be pulled: building $image from Debian packages instead"
../../setup.sh mmdebstrap

# The mirrors that this machine itself uses; Debian's own where it is no Debian.
mirror() {
  local uri
  uri=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' "Label: $1" 2>/dev/null | head -n1)
  echo "${uri:-$2}"
}
debian=$(mirror Debian http://deb.debian.org/debian)
sources=("deb $debian $suite main")
if [[ $suite != sid ]]; then
  security=$(mirror Debian-Security http://deb.debian.org/debian-security)
  sources+=("deb $debian $suite-updates main" "deb $security $suite-security main")
fi
# A frozen mirror's index is past its date: what this machine overlooks, the new root does too.
options=()
while read -r option; do options+=("--aptopt=$option"); done < <(apt-config dump 2>/dev/null | grep '^Acquire::Check-')
for path in "${unneeded[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done

# By way of a file: `docker import` of a stream that breaks off makes an image of what it got.
root=$(mktemp --suffix .tar)
trap 'rm -f "$root"' EXIT
mmdebstrap --quiet --variant=essential --include="${packages[*]}" "${options[@]}" "$suite" "$root" "${sources[@]}"
docker import --change "LABEL boardcafe.recipe=\"$recipe\"" --change 'CMD ["bash"]' "$root" "$image" >/dev/null
