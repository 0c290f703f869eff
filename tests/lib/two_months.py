"""Two exports of one source: in the second a row says otherwise, and a person is new."""

from __future__ import annotations

JANUARY = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 20      | 2015-01-02
    """
FEBRUARY = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 30      | 2015-01-02
    3  | 9      | 10      | 2015-02-01
    """
