#!/bin/sh
# Writes the expected files anew: tests/golden/regenerate.sh BUILD-FOLDER. Then read the difference (git diff) line
# by line: each one is a change that readers of our output will see.
set -eu
build=${1:?build folder}
here=$(dirname "$0")
export TZ=UTC
for scene in full interrupted list; do
	for format in normal jsonl grepable xml; do
		"$build/tests/golden/golden_dump" $format $scene - "$build/libprtip-xml.so" >"$here/$scene.$format"
	done
done
