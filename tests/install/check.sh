#!/bin/bash
# check.sh BUILD PREFIX LIBDIR MODULE...: `meson install` into an empty folder puts everything in its place.
set -euo pipefail
build=$1 prefix=$2 libdir=$3
shift 3
to=$(mktemp -d)
trap 'rm -rf "$to"' EXIT

DESTDIR=$to meson install -C "$build" --no-rebuild --quiet
faults=0
fault() {
	echo "install: $*"
	faults=$((faults + 1))
}

expected=("$prefix/bin/prtip" "$prefix/share/man/man1/prtip.1" "$prefix/share/bash-completion/completions/prtip"
	"$prefix/share/zsh/site-functions/_prtip" "$prefix/share/fish/vendor_completions.d/prtip.fish")
for module; do
	expected+=("$prefix/$libdir/prtip/$(basename "$module")")
done
for file in "${expected[@]}"; do
	[ -s "$to$file" ] || fault "$file is missing or empty"
done
count=$(find "$to" -type f | wc -l)
[ "$count" -eq ${#expected[@]} ] || fault "$count files, expected ${#expected[@]}: $(cd "$to" && find . -type f | xargs)"
"$to$prefix/bin/prtip" --version | grep -q '^prtip [0-9]' || fault "the installed program does not run"
# An installed program finds its modules only where the library folder says, never in a folder of the build.
if readelf -d "$to$prefix/bin/prtip" | grep -Eq 'RPATH|RUNPATH'; then
	fault "the installed program has a run path"
fi
grep -q '^\.Dd\|^\.TH' "$to$prefix/share/man/man1/prtip.1" || fault "prtip.1 is no manual page"
bash -n "$to$prefix/share/bash-completion/completions/prtip" || fault "the bash completion has a fault"
exit $((faults > 0))
