"""Logs that are written for days: emptied meanwhile, and gone on with after a restart."""

import csv
import json
import os
import threading

import pytest

from masklens.errors import OutputError
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


@pytest.mark.parametrize("append", [True, False])
def test_what_was_there_is_replaced_or_gone_on_with(tmp_path, append):
    log, table = tmp_path / "log.jsonl", tmp_path / "t.csv"
    for number in range(3):
        with (
            JsonLines(log, append=append) as lines,
            CsvLines(table, ["track", "label"], append=append) as rows,
        ):
            lines.write({"frame": number})
            rows.write([number, "a, b"])
        for path in (log, table):  # the last line of a killed run
            with path.open("a") as file:
                file.write('{"fra')
    numbers = [0, 1, 2] if append else [2]
    whole = [line for line in log.read_text().splitlines() if line.endswith("}")]
    assert [json.loads(line)["frame"] for line in whole] == numbers
    whole = [row for row in csv.DictReader(table.open()) if row["label"]]
    assert [row["track"] for row in whole] == [str(number) for number in numbers]


def test_a_table_of_other_columns_is_not_gone_on_with(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("source,track\n")
    with pytest.raises(OutputError, match="has other columns"):
        CsvLines(table, ["track", "label"], append=True)
    assert table.read_text() == "source,track\n"


def test_pipes_are_written_to(tmp_path):
    os.mkfifo(pipe := tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with CsvLines(pipe, ["track"], append=True) as rows:
        rows.write([1])
    reader.join()
    assert read == ["track\n1\n"]
