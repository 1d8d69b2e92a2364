#!/usr/bin/env bash
# Every way to install grafo, each in an empty place and with npm 10 and 11: clone and `npm ci`, the packed file for the
# whole system, the packed file through npx. Only npm's registry is reachable: whatever else an install wants to fetch
# is sent to a proxy that is not there. Run from a checkout whose state is committed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
registry=$(npm config get registry)
export NO_PROXY; NO_PROXY=$(sed -E 's#^https?://([^/:]+).*#\1#' <<<"$registry")
export no_proxy=$NO_PROXY HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9
export http_proxy=$HTTP_PROXY https_proxy=$HTTPS_PROXY
export GRAFO_CACHE=$work/cache

try() { # what command...
  local what=$1 start=$SECONDS
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok      $what ($((SECONDS - start)) s)"
  else
    echo "FAILED  $what"
    tail -20 "$work/log"
    exit 1
  fi
}

writes() { [ "$("$@" llama -q -p 'Once upon a time' -n 8 | wc -c)" -gt 10 ]; } # the demo goes on with the text

(cd "$root" && npm pack --pack-destination "$work") >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
tarball=$(echo "$work"/grafo-*.tgz)
echo "        the package: $(du -h "$tarball" | cut -f1)"

for version in 10 11; do
  npm install --silent --prefix "$work/npm$version" "npm@$version"
  npm=$work/npm$version/node_modules/.bin/npm
  npx=$work/npm$version/node_modules/.bin/npx

  git clone -q "$root" "$work/clone$version"
  cd "$work/clone$version"
  try "npm $version: git clone, npm ci" "$npm" ci
  try "npm $version: git clone, npx grafo" writes "$npx" grafo

  cd "$work"
  try "npm $version: npm i -g grafo.tgz" "$npm" install -g --prefix "$work/prefix$version" "$tarball"
  try "npm $version: grafo of the whole system" writes "$work/prefix$version/bin/grafo"
  echo "        installed: $(du -sh "$work/prefix$version" | cut -f1)"

  mkdir "$work/empty$version" && cd "$work/empty$version"
  try "npm $version: npx from the packed file" writes "$npx" --yes --package "$tarball" grafo
done
