"""Reads .hlog and .hgrm with HdrHistogram's Python implementation and prints what it found, as JSON."""
import bisect
import itertools
import json
import re
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

hlog, hgrm, main = sys.argv[1:]
reference = HdrHistogram(1, 3_600_000_000_000, 3)
reader = HistogramLogReader(hlog, reference)
tags, lines = {}, []
while (interval := reader.get_next_interval_histogram()) is not None:
    tag = interval.get_tag()
    begin, end = interval.get_start_time_stamp(), interval.get_end_time_stamp()
    lines.append([tag, begin, end - begin, interval.get_total_count()])
    tags.setdefault(tag, HdrHistogram(1, 3_600_000_000_000, 3)).add(interval)

figures = {
    tag: {
        "n": histogram.get_total_count(),
        "max": histogram.get_max_value(),
        "percentiles": [histogram.get_value_at_percentile(p) for p in (50, 90, 99, 99.9, 99.99)],
    }
    for tag, histogram in tags.items()
}


def parts(text):
    """The rows of a percentile table as numbers, and the numbers of its last lines."""
    rows = [[float(cell) for cell in line.split()] for line in text.splitlines()[2:] if line and line[0] != "#"]
    return rows, [float(number) for number in re.findall(r"= +([0-9.]+)", text)]


histogram = tags[main]
steps = [(step.value_iterated_to, step.count_added_in_this_iter_step) for step in histogram.get_recorded_iterator()]
values = [value for value, _ in steps]
totals = [0, *itertools.accumulate(count for _, count in steps)]


def count_up_to(nanos):
    """How many values are at most this one."""
    return totals[bisect.bisect_right(values, nanos)]


rows, numbers = parts(open(hgrm, encoding="utf-8").read())
found = {
    "start": reader.get_start_time_sec(),
    "lines": lines,
    "tags": figures,
    "rows": rows,
    # The table shows whole microseconds: as many values as it says are at most some value that rounds to the one shown.
    "counts_between": [[count_up_to(row[0] * 1e6 - 501), count_up_to(row[0] * 1e6 + 501)] for row in rows],
    "numbers": numbers[:4],
    "their_numbers": [
        round(histogram.get_mean_value() / 1e6, 3),
        round(histogram.get_stddev() / 1e6, 3),
        round(histogram.get_max_value() / 1e6, 3),
        histogram.get_total_count(),
    ],
}
json.dump(found, sys.stdout)
