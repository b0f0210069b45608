"""What Antiphon has set out to reach on sockets, and whether this run shows it; by CPU, the steadier measure."""

from __future__ import annotations

from collections.abc import Iterator

from bench.live.peers import AIOHTTP, ECHO, GO, KEPT, MEASURE, OURS, PEERS, Work
from bench.live.report import MIB, Results

TIMES: tuple[tuple[str, Work, str, float], ...] = (
    (OURS, "trips", ECHO, 0.85),
    (OURS, "trips", MEASURE, 1.8),
    (OURS, "fan", MEASURE, 1.8),
    (OURS, "fan", AIOHTTP, 1.2),
    (OURS, "fan", GO, 0.8),
    (KEPT, "fan", MEASURE, 1.8),
    (KEPT, "fan", AIOHTTP, 1.2),
)
"""How many times as much is wanted of the same CPU. «Within reach» of Go is four fifths of it."""

SOCKET_BYTES = 4096
PROCESS_BYTES = 512 * MIB / 2
OPENED = 4000
CHANGE = 1.2
"""How much the time of an ordinary event's 99 % may move before it is more than the unrest of the machine."""

GROWN_BYTES = 32 * MIB
STANDING: tuple[Work, ...] = ("trips", "fan")


def verdicts(results: Results) -> list[str]:
    """One line a target; a target whose servers were not measured is left out."""
    return [*_ratios(results), *_idle(results), *_stalls(results), *_standing(results)]


def _ratios(results: Results) -> Iterator[str]:
    for ours, work, other, wanted in TIMES:
        mine, theirs = results.of(ours, work), results.of(other, work)
        ratio = theirs.times(mine, "cpu") if mine is not None and theirs is not None else None
        if ratio is not None:
            who = "" if ours == OURS else f"{ours}, "
            yield _verdict(ratio >= wanted, f"{work}, {who}{ratio:.2f} × {other} (wanted: at least {wanted:.2f} ×)")


def _idle(results: Results) -> Iterator[str]:
    for ours in (OURS, KEPT):
        mine = results.of(ours, "idle")
        if mine is None:
            continue
        who = "idle" if ours == OURS else f"idle, {ours}"
        count, whole, failed = mine.of("count") or 0, mine.of("whole") or 0, mine.of("failed") or 0
        each = max(mine.of("each") or 0, mine.of("later") or 0)
        opened = 1 / (mine.of("cpu") or 1)
        yield _verdict(each <= SOCKET_BYTES, f"{who}, {each / 1024:.2f} KiB each (wanted: at most 4)")
        yield _verdict(whole <= PROCESS_BYTES, f"{who}, the process has {whole / MIB:.0f} MiB (wanted: far under 512)")
        yield _verdict(
            opened >= OPENED,
            f"{who}, {opened:,.0f} opened in a second of CPU, {mine.of('opened') or 0:,.0f} in one of time "
            f"(wanted: at least {OPENED:,})",
        )
        yield _verdict(failed == 0, f"{who}, {failed:.0f} of {count:,.0f} failed (wanted: none)")


def _stalls(results: Results) -> Iterator[str]:
    for ours in (OURS, KEPT):
        mine = results.of(ours, "stall")
        if mine is None:
            continue
        who = "stall" if ours == OURS else f"stall, {ours}"
        change, grown = mine.of("change"), mine.of("grown") or 0
        if change is None:
            yield _verdict(False, f"{who}, everybody stood still")
            continue
        wanted = f"wanted: at most {CHANGE:.2f} ×"
        yield _verdict(
            change <= CHANGE, f"{who}, 99 % of those that read have an event in {change:.2f} × the time ({wanted})"
        )
        most = f"wanted: at most {GROWN_BYTES // MIB}, the ten queues and as much again"
        yield _verdict(grown <= GROWN_BYTES, f"{who}, the process grew by {grown / MIB:.1f} MiB ({most})")


def _standing(results: Results) -> Iterator[str]:
    set_out = {(work, other) for _, work, other, _ in TIMES}
    for work in STANDING:
        mine = results.of(OURS, work)
        for peer in PEERS:
            theirs = results.of(peer.name, work)
            if mine is None or theirs is None or peer.name in (OURS, KEPT) or (work, peer.name) in set_out:
                continue
            ratio = theirs.times(mine, "cpu")
            if ratio is not None:
                yield f"- {'ahead' if ratio >= 1 else 'behind'}: {work}, {ratio:.2f} × {peer.name}"


def _verdict(reached: bool, words: str) -> str:
    return f"- {'reached' if reached else 'NOT REACHED'}: {words}"
