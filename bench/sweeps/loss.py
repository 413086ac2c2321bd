"""What is found where frames are lost in both directions."""

from compare.report import spread
from sweeps import ours, peers

SHARES = (1, 5, 10)  # percent, each way


def one(place, size, percent, seed):
    lost = {"seed": seed, "loss_in": percent * 10_000, "loss_out": percent * 10_000}
    place.respond(False, **lost)
    truth = place.open_ports(ours.NETWORK, size.ports)
    row = {"percent": percent, "prtip": ours.sweep(place, truth, [ours.NETWORK], size.ports, lossy=True)}
    place.respond(True, **lost)
    return row | peers.both(place, size.zmap_ports, size.lossy_ports)


def measure(place, size):
    return place.each((f"{percent} %, seed {seed}", lambda p=percent, s=seed: one(place, size, p, s))
                      for percent in SHARES for seed in range(1, size.repeats + 1))


HEAD = ["loss each way", "", "found", "missed", "false", "twice", "seconds"]


def table(raw):
    rows = []
    for percent in SHARES:
        for who in ("prtip", "zmap", "masscan"):
            some = [r[who] for r in raw if r["percent"] == percent]
            if not some:
                continue
            there, found = (sum(r[k] for r in some) for k in ("open", "found"))
            rows.append([f"{percent} %", who, f"{found}/{there}", f"{1 - found / there:.3%}", sum(r["false"] for r in some),
                         sum(r["twice"] for r in some), spread(r["seconds"] for r in some)])
    return rows
