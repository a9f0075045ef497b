#!/usr/bin/env bash
# The exactness tests on other makes of the edge corpus: WIDTHxHEIGHT/FRAMES/GOP, each made once in .cache. Minutes.
#   jobs/edge-videos.sh [VARIANT...]
set -euo pipefail
cd "$(dirname "$0")/.."
variants=("$@")
[ ${#variants[@]} -gt 0 ] || variants=(128x96/97/1 160x120/60/250 322x182/200/17 176x144/1000/30 854x480/301/250)
ZIPVL_EDGE_VARIANTS="${variants[*]}" ${SWIFT:-swift} test --filter EdgeVariantTests
