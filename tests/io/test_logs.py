"""Logs that are written for days: emptied meanwhile."""

import csv
import json
import os
import threading

from masklens.io.logs import CsvLines, JsonLines


def test_a_log_may_be_emptied_while_it_is_written(tmp_path):
    """As logrotate does with copytruncate."""
    log, table = tmp_path / "log.jsonl", tmp_path / "t.csv"
    with JsonLines(log) as lines, CsvLines(table, ["track"]) as rows:
        for number in range(4):
            if number == 2:
                os.truncate(log, 0)
                os.truncate(table, 0)
            lines.write({"frame": number})
            rows.write([number])
    assert [json.loads(line)["frame"] for line in log.read_text().splitlines()] == [2, 3]
    assert [row["track"] for row in csv.DictReader(table.open())] == ["2", "3"]


def test_pipes_are_written_to(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with CsvLines(pipe, ["track"]) as rows:
        rows.write([1])
    reader.join()
    assert read == ["track\n1\n"]
