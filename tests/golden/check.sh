#!/bin/sh
# check.sh DUMP FORMAT SCENE EXPECTED [MODULE]: what the format writes is what is committed, and the format's own
# reader takes it (jq, xmllint with nmap's DTD where Debian's nmap is installed).
set -eu
dump=$1 format=$2 scene=$3 expected=$4 module=${5:-}
dtd=/usr/share/nmap/nmap.dtd
got=$(mktemp)
trap 'rm -f "$got"' EXIT
export TZ=UTC
"$dump" "$format" "$scene" - $module >"$got"
diff -u "$expected" "$got"
if LC_ALL=C grep -q '[[:cntrl:]]' "$got" && LC_ALL=C tr -d '\n\t' <"$got" | LC_ALL=C grep -q '[[:cntrl:]]'; then
	echo "a control byte came through"
	exit 1
fi
case $format in
jsonl)
	jq -es 'all(.[]; .schema == 1 and (.scan_id | length) == 32 and .kind) and (last | .kind == "summary")' "$got"
	[ "$(jq -c . "$got" | wc -l)" = "$(wc -l <"$got")" ]
	;;
xml)
	xmllint --noout "$got"
	if [ -r $dtd ]; then
		xmllint --noout --dtdvalid $dtd "$got"
	else
		echo "no $dtd: validity was not tested"
	fi
	;;
esac
# A report in a file begins and ends otherwise than one on a terminal; it must work too.
rm -f "$got.file"
"$dump" "$format" "$scene" "$got.file" $module
lines=$(wc -l <"$got.file")
rm -f "$got.file"
[ "$lines" -gt 2 ]
