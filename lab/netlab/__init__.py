"""Builds and keeps the lab: hosts in network namespaces, described in lab.toml."""
