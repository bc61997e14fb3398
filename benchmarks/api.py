"""The HTTP API: its throughput and latency against ``detect_many``, and what a fuzz of it does.

    python benchmarks/api.py [--bundle DIR] [--rounds N]       throughput, latency, overload
    python benchmarks/api.py [--bundle DIR] fuzz [--mutants N] [--examples N]

The server is a process of its own (``masklens serve``), the clients are another, both on this
machine's cores; the rival is ``detect_many`` on the same files in one process, in turn with it.
The fuzz sends mutated pictures of every format and runs schemathesis on the OpenAPI description; it
needs the extra ``dev``, and Linux for the memory of the server.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from api_load import Server, hammer, mutants
from common import data_root, machine, print_table

from masklens import MaskDetector

CLIENTS = 8


def pictures(count: int) -> list[Path]:
    folder = data_root() / "data" / "scenes" / "val" / "images"
    return sorted(path for path in folder.iterdir() if path.is_file())[:count]


def speed(rounds: int, count: int, bundle: Path | None) -> None:
    paths = pictures(count)
    bodies = [path.read_bytes() for path in paths]
    detector = MaskDetector(bundle)
    served = () if bundle is None else ("--bundle", str(bundle))
    list(detector.detect_many(paths[:8]))  # warm up
    ratios, tails, medians, rates = [], [], [], []
    with Server(*served) as server:
        hammer(server.port, bodies[:16], CLIENTS)
        for _ in range(rounds):  # in turn, so that a slow moment of the machine hits both
            start = time.perf_counter()
            list(detector.detect_many(paths))
            alone = time.perf_counter() - start
            start = time.perf_counter()
            answers = hammer(server.port, bodies, CLIENTS)
            through = time.perf_counter() - start
            assert all(answer.status == 200 for answer in answers), "an answer was not 200"
            seconds = sorted(answer.seconds for answer in answers)
            ratios.append(alone / through)
            rates.append(len(bodies) / through)
            medians.append(statistics.median(seconds))
            tails.append(seconds[round(0.95 * len(seconds))] / medians[-1])
        size = server.memory()
    print(f"{count} pictures of scenes/val, {CLIENTS} clients, {rounds} rounds; {machine()}\n")
    print_table(
        ["API", "measured", "bar"],
        [
            ["throughput", f"{statistics.median(rates):.0f} pictures/s", ""],
            ["of detect_many, median", f"{statistics.median(ratios):.2f}", "≥ 0.85"],
            ["… each round", " ".join(f"{ratio:.2f}" for ratio in ratios), ""],
            ["median latency", f"{statistics.median(medians) * 1e3:.0f} ms", ""],
            ["95th percentile / median", f"{statistics.median(tails):.2f}", "≤ 3"],
            ["memory of the server afterwards", f"{size / 1e6:.0f} MB", ""],
        ],
    )
    overload(bodies, served)


def overload(bodies: list[bytes], served: tuple[str, ...]) -> None:
    """Eight times as many clients as the queue has places."""
    queue = 8
    with Server("--queue", str(queue), *served) as server:
        hammer(server.port, bodies[:16], CLIENTS)
        answers = hammer(server.port, bodies * 2, queue * 8, watch=True)
        deepest = max(answer.depth for answer in answers)
        left = server.metric("masklens_queue_pictures")
    done = [answer for answer in answers if answer.status == 200]
    busy = [answer for answer in answers if answer.status == 429]
    slowest = max(answer.seconds for answer in done)
    print()
    print_table(
        [f"past capacity: {queue * 8} clients, {queue} places", "measured", "bar"],
        [
            ["answers 200 / 429 / other", f"{len(done)} / {len(busy)} / "
             f"{len(answers) - len(done) - len(busy)}", "… / > 0 / 0"],
            ["Retry-After with every 429", str(all(a.retry_after for a in busy)), "True"],
            ["deepest queue seen", f"{deepest:.0f}", f"≤ {queue}"],
            ["queue afterwards", f"{left:.0f}", "0"],
            ["slowest answer 200", f"{slowest:.2f} s", ""],
        ],
    )  # fmt: skip


def fuzz(mutations: int, examples: int, bundle: Path | None) -> None:
    served = () if bundle is None else ("--bundle", str(bundle))
    with Server(*served) as server:
        statuses: dict[int, int] = {}
        memory = []
        step = max(mutations // 10, 1)
        for first in range(0, mutations, step):
            some = mutants(range(first, min(first + step, mutations)))
            for answer in hammer(server.port, some, CLIENTS, retry=True):
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
            memory.append(server.memory())
        codes = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
        growth = (memory[-1] - memory[len(memory) // 2]) / 1e6
        print_table(
            [f"{mutations} mutated pictures", "measured", "bar"],
            [
                ["answers", codes, "no 500"],
                ["server alive", str(server.alive), "True"],
                ["memory after each tenth", " ".join(f"{m / 1e6:.0f}" for m in memory) + " MB", ""],
                ["growth in the second half", f"{growth:.0f} MB", "flat"],
            ],
        )
        passed = schemathesis(server.address, examples)
        print()
        print_table(
            ["schemathesis", "measured", "bar"],
            [
                [f"{examples} examples per operation", "passed" if passed else "FAILED", "passed"],
                ["server alive", str(server.alive), "True"],
                [
                    "answers 500",
                    f"{server.metric('masklens_requests_total', 'status=.500'):.0f}",
                    "0",
                ],
                ["memory", f"{server.memory() / 1e6:.0f} MB", ""],
            ],
        )
    if not passed or any(status >= 500 for status in statuses):
        sys.exit(1)


def schemathesis(address: str, examples: int) -> bool:
    """Run it on the server's own description."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json"),
                *("--max-examples", str(examples), "--no-color", "--seed", "1"),
                # No schema says which bytes are a picture, so valid ones are refused as well.
                *("--exclude-checks", "positive_data_acceptance"),
            ],
            cwd=folder,
            check=False,
        )
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="[default: the one that ships]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=194)
    commands = parser.add_subparsers(dest="command")
    fuzzing = commands.add_parser("fuzz")
    fuzzing.add_argument("--mutants", type=int, default=5000)
    fuzzing.add_argument("--examples", type=int, default=200)
    options = parser.parse_args()
    if options.command == "fuzz":
        fuzz(options.mutants, options.examples, options.bundle)
    else:
        speed(options.rounds, options.pictures, options.bundle)


if __name__ == "__main__":
    main()
