#!/usr/bin/env bash
# Builds Jaeger and a collector of OpenTelemetry, which the tests of traces use: `test/telemetry/build-tools.sh FOLDER`. Does
# nothing for a program that FOLDER has. A build takes some minutes of a core, unless Go has cached it.
set -euo pipefail
folder=$(realpath "$1")
JAEGER=1.76.0    # Jaeger 2 has this number as a Go module
COLLECTOR=0.165.0

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"

# `go install` refuses the replace directives of Jaeger's go.mod, so a copy of the module is built.
jaeger() {
  local module
  module=$(go mod download -json "github.com/jaegertracing/jaeger@v$JAEGER" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
  cp -r "$module" jaeger
  chmod -R u+w jaeger
  (cd jaeger && go build -trimpath -ldflags "-s -w" -o "$folder/jaeger" ./cmd/jaeger)
}

# The builder of collectors makes a program with only the parts that the tests use.
collector() {
  GOBIN="$work" go install "go.opentelemetry.io/collector/cmd/builder@v$COLLECTOR"
  cat >builder.yaml <<YAML
dist: { name: otelcol, output_path: $work/otelcol }
receivers: [{ gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v$COLLECTOR }]
processors: [{ gomod: go.opentelemetry.io/collector/processor/batchprocessor v$COLLECTOR }]
exporters:
  - { gomod: go.opentelemetry.io/collector/exporter/otlpexporter v$COLLECTOR }
  - { gomod: go.opentelemetry.io/collector/exporter/debugexporter v$COLLECTOR }
YAML
  ./builder --config builder.yaml
  mv otelcol/otelcol "$folder/otelcol"
}

[ -x "$folder/jaeger" ] || jaeger
[ -x "$folder/otelcol" ] || collector
