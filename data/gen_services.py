#!/usr/bin/env python3
"""Turn services.tsv into the C table of src/target/services_table.h.

usage: gen_services.py services.tsv out.c
"""
import re
import sys

PROTOS = ["tcp", "udp", "sctp"]
NAME = re.compile(r"[!-~]{1,40}")


def fail(path, number, what):
    sys.exit(f"{path}:{number}: {what}")


def read(path):
    """The lines as {(protocol number, port): (name, weight)}."""
    services = {}
    with open(path, encoding="ascii") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith("#") or not line.strip():
                continue
            fields = line.rstrip("\n").split("\t")
            where = re.fullmatch(r"(\d+)/(\w+)", fields[0])
            if len(fields) != 3 or where is None or where[2] not in PROTOS:
                fail(path, number, "expected port/protocol, name and weight")
            key = (PROTOS.index(where[2]), int(where[1]))
            if not 1 <= key[1] <= 65535 or not NAME.fullmatch(fields[1]):
                fail(path, number, "port or name out of range")
            if key in services:
                fail(path, number, "this port is there twice")
            services[key] = (fields[1], int(fields[2]))
    return services


def main():
    source, target = sys.argv[1:]
    services = read(source)
    keys = sorted(services)
    ranked = sorted(range(len(keys)), key=lambda i: (keys[i][0], -services[keys[i]][1], keys[i][1]))
    starts = [sum(key[0] < proto for key in keys) for proto in range(len(PROTOS) + 1)]
    offsets, names = {}, []
    for key in keys:
        name = services[key][0]
        if name not in offsets:
            offsets[name] = sum(len(n) + 1 for n in names)
            names.append(name)
    with open(target, "w", encoding="ascii") as out:
        out.write(f"// made by {sys.argv[0].rsplit('/', 1)[-1]}, do not edit\n")
        out.write('#include "target/services_table.h"\n\nstatic const char names[] = {\n')
        # Not one string: the standard promises only 4,095 characters.
        out.writelines("\t%s, 0, // %s\n" % (", ".join(str(ord(c)) for c in name), name) for name in names)
        out.write("};\n\nstatic const struct service services[] = {\n")
        out.writelines("\t{%d, %d},\n" % (key[1], offsets[services[key][0]]) for key in keys)
        out.write("};\n\nstatic const uint32_t ranked[] = {\n")
        out.writelines(f"\t{i},\n" for i in ranked)
        out.write("};\n\nconst struct service_table services_builtin = {\n")
        out.write("\tservices, ranked, names, {%s},\n};\n" % ", ".join(map(str, starts)))


if __name__ == "__main__":
    main()
