"""The emulated adapter fleet: ARMS clients with an SSH shell, for demonstrations, tests and CI. `hikitsugi fleet …`.

catalogue, seeds, inventory, generate: which adapters there are and what makes each its own ·
adapter, lifecycle, boot, reaction, exchange, trust, faults, schedule: what an adapter does ·
update, download, firmware_trust, metadata_fetching: how it comes to another firmware ·
push: how the server reaches it, tunnels and all ·
language: the two config languages · shell, recordings: what its commands print · ssh, places: how it is reached ·
settings, fleet, memory: many of them in one process · launch, process, control, client: that process and its commands ·
cli, saying, words, japanese: what people see · pytest_fleet: the fixture.

It shares `protocol` with the controller and nothing else. Facts about devices are those of the device reference that
docs/fleet.md sums up; what no public source tells is marked (assumed).
"""
