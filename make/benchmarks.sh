#!/usr/bin/env bash
# Puts the output of `go test -bench` into a document, between its two marks.
set -euo pipefail
results=$1 document=$2
table=$(awk '
  /^cpu:/ { cpu = substr($0, 5) }
  /^Benchmark/ {
    name = $1; sub(/^Benchmark/, "", name); sub(/-[0-9]+$/, "", name)
    for (i = 3; i < NF; i += 2) v[$(i + 1)] = $i
    printf "| %s | %.3g s | %.0f MB | %s |\n", name, v["ns/op"] / 1e9, v["B/op"] / 1e6, v["allocs/op"]
    delete v
  }
  END { printf "\nOn%s, two cores.\n", cpu }' "$results")
{
  sed '/<!-- results/q' "$document"
  printf '\n| what | time | allocated | allocations |\n|---|---|---|---|\n%s\n\n' "$table"
  sed -n '/<!-- end of results/,$p' "$document"
} > "$document.new"
mv "$document.new" "$document"
