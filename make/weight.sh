#!/usr/bin/env bash
# weight.sh DOC: builds the program as deploy/Dockerfile does and writes its
# weight between the markers of a document.
set -euo pipefail
doc=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$out/tidetable" ./cmd/tidetable
bytes=$(wc -c < "$out/tidetable")
modules=$(go version -m "$out/tidetable" | grep -c $'^\tdep\t')
packages=$(CGO_ENABLED=0 go list -deps ./cmd/tidetable | wc -l)
clouds=$(CGO_ENABLED=0 go list -deps ./cmd/tidetable | grep -cE 'Azure|aws-sdk|cloud\.google\.com|google\.golang\.org/api' || true)
{
  echo "| binary | modules linked | packages linked | of clouds' SDKs |"
  echo "|---|---|---|---|"
  awk -v b="$bytes" -v m="$modules" -v p="$packages" -v c="$clouds" 'BEGIN { printf "| %.1f MB | %d | %d | %d |\n", b/1e6, m, p, c }'
} > "$out/table"
awk -v table="$out/table" '
  /<!-- weight: make docs-weight -->/ { print; print ""; while ((getline line < table) > 0) print line; print ""; skip = 1; next }
  /<!-- end of weight -->/ { skip = 0 }
  !skip' "$doc" > "$out/doc"
cat "$out/doc" > "$doc"
