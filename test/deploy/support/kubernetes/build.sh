#!/usr/bin/env bash
# Builds Kubernetes and CoreDNS from their Go modules, for `npm run deploy-test -- kubernetes`: `build.sh FOLDER PROGRAM...`.
# Does nothing for a program that FOLDER has. The first build of all programs takes 10 to 30 minutes on two cores.
set -euo pipefail
folder=$(realpath "$1")
shift
KUBERNETES=1.34.4 # kubelet 1.35 and later refuse cgroup v1
COREDNS=1.15.0

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"
export CGO_ENABLED=0

# `go install` refuses the replace directives of Kubernetes' go.mod, which point into its own tree. The same code is published
# as modules of version 0.MINOR.PATCH.
module() {
  local manifest
  manifest=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" | sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p')
  {
    echo "module kubernetes"
    grep '^go ' "$manifest"
    echo "require k8s.io/kubernetes v$KUBERNETES"
    sed -n "s#^\t\(k8s.io/[a-z-]*\) => ./staging/.*#replace \1 => \1 v0.${KUBERNETES#*.}#p" "$manifest"
  } >go.mod
}

# Prints the flags that give a program its version. Clients and servers compare their versions.
version_flags() {
  local package
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- '-X %s=%s ' "$package.gitVersion" "v$KUBERNETES" "$package.gitMajor" "${KUBERNETES%%.*}" \
      "$package.gitMinor" "$(cut -d. -f2 <<<"$KUBERNETES")" "$package.gitTreeState" archive
  done
}

for program; do
  [ -x "$folder/$program" ] && continue
  echo "build $program" >&2
  if [ "$program" = coredns ]; then
    GOBIN="$work" go install -trimpath -ldflags "-s -w" "github.com/coredns/coredns@v$COREDNS"
  else
    [ -e go.mod ] || module
    go build -mod=mod -trimpath -ldflags "-s -w $(version_flags)" -o "$program" "k8s.io/kubernetes/cmd/$program"
  fi
  mv "$program" "$folder/$program"
done
