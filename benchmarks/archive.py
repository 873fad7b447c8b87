"""The archive's objects: unpacked, searched and decoded, against DuckDB and Polars at the same questions."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.archive_peers import DuckDB, Polars
from benchmarks.archive_reading import Read, count_only, read, unpack_only
from benchmarks.data import shared_data
from benchmarks.folder import own_folder
from benchmarks.measure import Claim, Rates, Report, Work, claim, medians, take_turns
from kamiyo.aggregators._hyperliquid_archive.chunks import Decode
from tests.services.archive_blocks import RECORDED, Minute, real_blocks, simulated_blocks, write_hours

# A smaller one says only whether all of it works.
SIZE_VARIABLE = "KAMIYO_BENCH_BYTES"
_SIZE = 1 << 30
_ROUNDS = 5
# One block in 140, as in four whole days of a node's files; the minute itself has one in 700.
_LIQUIDATIONS = 5
_DUCKDB, _POLARS = "DuckDB read_json", "Polars scan_ndjson"
_LINES = "DuckDB read_ndjson_objects, liquidations"
_ALLOWED_MEGABYTES = 200.0
_WORKERS_ALLOWED = 1.1


def run() -> Report:
    """All of it over the same objects, and the file they unpack to."""
    size = int(os.environ.get(SIZE_VARIABLE, _SIZE))
    with own_folder() as folder:
        plain = folder / "blocks.jsonl"
        objects = [each.path for each in write_hours(folder, minute(), size=size, plain=plain)]
        rates, expected = _compare(objects, plain)
        plain.unlink()
        workers, figures = _workers(objects)
        return Report(
            [*_claims(rates), *_memory(objects, figures), workers],
            medians(rates)
            | figures
            | {
                "unit": "bytes unpacked",
                "bytes unpacked": expected.unpacked,
                "bytes packed": sum(path.stat().st_size for path in objects),
                "fills": expected.ordinary + expected.liquidated,
                "liquidated fills": expected.liquidated,
                "blocks": expected.blocks,
                "made of real blocks": (shared_data() / RECORDED).exists(),
            },
        )


def minute() -> Minute:
    """Real blocks where they are at hand, else made-up ones."""
    at_hand = (shared_data() / RECORDED).exists()
    return real_blocks(shared_data(), liquidations=_LIQUIDATIONS) if at_hand else simulated_blocks()


def _compare(objects: Sequence[Path], plain: Path) -> tuple[Rates, Read]:
    expected, size = read(objects, Decode.ALL), plain.stat().st_size
    every = _counts(expected)
    duck, polars = DuckDB(plain), Polars(plain)

    def checked(work: Callable[[], object], wanted: object) -> Work:
        def check() -> int:
            found = work()
            if found != wanted:
                raise AssertionError(f"{found} fills, {wanted} expected")
            return size

        return check

    rates = take_turns(
        {
            "KAMIYO, liquidations": checked(lambda: read(objects, Decode.LIQUIDATIONS).liquidated, every[1]),
            f"{_DUCKDB}, liquidations": checked(duck.liquidations, every[1]),
            f"{_POLARS}, liquidations": checked(polars.liquidations, every[1]),
            _LINES: checked(duck.liquidations_in_lines, every[1]),
            "KAMIYO, every fill": checked(lambda: _counts(read(objects, Decode.ALL)), every),
            f"{_DUCKDB}, every fill": checked(duck.all_fills, every),
            f"{_POLARS}, every fill": checked(polars.all_fills, every),
            "unpacking alone": partial(unpack_only, objects),
            "bytes.count": partial(count_only, objects),
        },
        _ROUNDS,
    )
    for what in ("liquidations", "every fill"):
        rates[f"faster of both, {what}"] = max(
            rates[f"{_DUCKDB}, {what}"], rates[f"{_POLARS}, {what}"], key=sum
        )
    for name in ("faster of both, liquidations", "faster of both, every fill", _LINES):
        rates[f"unpacked and {name}"] = _after_unpacking(rates, name)
    return rates, expected


def _counts(found: Read) -> tuple[int, int]:
    return found.ordinary + found.liquidated, found.liquidated


def _after_unpacking(rates: Rates, name: str) -> list[float]:
    """What a peer would reach if it had to unpack what it reads, as fast as anybody does here."""
    return [1 / (1 / a + 1 / b) for a, b in zip(rates[name], rates["unpacking alone"], strict=True)]


def _claims(rates: Rates) -> list[Claim]:
    ours, every = "KAMIYO, liquidations", "KAMIYO, every fill"
    return [
        claim("packed object to liquidations, by unpacking and the faster of DuckDB read_json and Polars "
              "scan_ndjson", rates, ours, "unpacked and faster of both, liquidations", 1.5),
        claim("the same, by the faster of both on the file unpacked before", rates, ours,
              "faster of both, liquidations", 1.5),
        claim("the same, by unpacking and DuckDB's search in undecoded lines", rates, ours,
              f"unpacked and {_LINES}", None),
        claim("the same, by DuckDB's search in undecoded lines of the file unpacked before", rates, ours,
              _LINES, None),
        claim("packed object to every fill, by unpacking and the faster of both", rates, every,
              "unpacked and faster of both, every fill", 1),
        claim("the same, by the faster of both on the file unpacked before", rates, every,
              "faster of both, every fill", 1),
        claim("liquidations, by every fill", rates, ours, every, 2.5),
        claim("packed object to liquidations, by bytes.count over what it unpacks to", rates, ours,
              "bytes.count", None),
    ]  # fmt: skip


def _memory(objects: Sequence[Path], figures: dict[str, object]) -> list[Claim]:
    """The most memory a process took, of a tenth of the objects (one at least) and of all."""
    peaks = list[float]()
    for share in (objects[: max(1, len(objects) // 10)], objects):
        [found] = _in_processes([share])
        figures[f"most memory, {found.unpacked >> 20} MiB unpacked, MB"] = round(found.peak_megabytes, 1)
        figures["memory before anything was read, MB"] = round(found.before_megabytes, 1)
        peaks.append(found.peak_megabytes)
    what = f"{_ALLOWED_MEGABYTES:.0f} MB allowed, by the most memory a process took"
    return [Claim(what, 1.0, tuple(_ALLOWED_MEGABYTES / peak for peak in peaks))]


def _workers(objects: Sequence[Path]) -> tuple[Claim, dict[str, object]]:
    """CPU seconds for the same bytes, by one process and by two at once."""
    ratios, alone, together = list[float](), 0.0, 0.0
    halves = [objects[::2], objects[1::2]] if len(objects) > 1 else [objects, objects]
    for _round in range(_ROUNDS):
        [one] = _in_processes([objects])
        two = _in_processes(halves)
        alone = one.cpu_seconds / one.unpacked
        together = sum(each.cpu_seconds for each in two) / sum(each.unpacked for each in two)
        ratios.append(_WORKERS_ALLOWED * alone / together)
    figures: dict[str, object] = {
        "CPU seconds a GB, one process": round(alone * 1e9, 3),
        "CPU seconds a GB, each of two at once": round(together * 1e9, 3),
    }
    what = f"{_WORKERS_ALLOWED} times one process's CPU for a fill allowed, by what two at once take"
    return Claim(what, 1.0, tuple(ratios)), figures


def _in_processes(shares: Sequence[Sequence[Path]]) -> list[Read]:
    command = [sys.executable, "-m", "benchmarks.archive_reading", Decode.LIQUIDATIONS.value]
    running = [subprocess.Popen([*command, *map(str, share)], stdout=subprocess.PIPE) for share in shares]
    answers = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise AssertionError("a process that reads the archive failed")
    return [msgspec.json.decode(answer, type=Read) for answer in answers]
