#!/bin/bash
# uplot.sh: takes uPlot, which draws the page's charts, from npm into core/run/page/uplot/. After another version the sums in
# tests/lint/house.py have to follow.
set -euo pipefail

version=1.6.32
integrity=sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==

here=$(cd "$(dirname "$0")" && pwd)
fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT
cd "$fetched"
npm pack --silent "uplot@$version" >/dev/null
[ "sha512-$(openssl dgst -sha512 -binary "uplot-$version.tgz" | base64 -w0)" = "$integrity" ] || { echo "uplot-$version.tgz is not what was published" >&2; exit 1; }
tar xzf "uplot-$version.tgz"
cp package/LICENSE package/dist/uPlot.iife.min.js package/dist/uPlot.min.css "$here/page/uplot/"
