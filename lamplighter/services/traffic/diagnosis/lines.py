# SPDX-License-Identifier: Apache-2.0
"""Lines of a text log to columns, in one compiled pass over the bytes.

Times are read as they stand, as local time of the box: year-month-day or month/day/year, 24 hours or AM and PM, with or
without fractions; a plain number counts seconds (above 10^11: ms) since 1970. An offset from UTC behind a time is passed over.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lamplighter.terms.columns import IntArray

Bytes = NDArray[np.uint8]
NEWLINE, RETURN, QUOTE, SPACE, MINUS, PLUS, SLASH, POINT, COLON = 10, 13, 34, 32, 45, 43, 47, 46, 58
LETTER_A, LETTER_P, LETTER_T, LETTER_Z = 65, 80, 84, 90
ZERO, NINE = 48, 57
HASH_BASIS, HASH_PRIME = np.uint64(14695981039346656037), np.uint64(1099511628211)  # FNV-1a, 64 bits
MS_ABOVE, SECOND_MS, DAY_S = 100_000_000_000, 1_000, 86_400
YEAR_FIRST, YEAR_LAST = 1970, 2100
TIME, BOX, EVENT, PARAMETER = range(4)


@njit(cache=True)
def _days(year: int, month: int, day: int) -> int:
    """Return days since 1970 (H. Hinnant, chrono-compatible low-level date algorithms, days_from_civil)."""
    shifted = year - (1 if month <= 2 else 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@njit(cache=True)
def _number(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return the whole number at a place, and where it ends; the same place where there is none."""
    value = 0
    while at < end and ZERO <= buffer[at] <= NINE and value < 10**15:
        value = value * 10 + (int(buffer[at]) - ZERO)
        at += 1
    return value, at


@njit(cache=True)
def _fraction_ms(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return thousandths behind a decimal point, and where they end."""
    value, weight = 0, 100
    if at < end and buffer[at] == POINT:
        at += 1
        while at < end and ZERO <= buffer[at] <= NINE:
            value += (int(buffer[at]) - ZERO) * weight
            weight //= 10
            at += 1
    return value, at


@njit(cache=True)
def _clock(buffer: Bytes, at: int, end: int) -> tuple[bool, int, int]:
    """Return whether hours, minutes, seconds stand here, their ms, and where they end."""
    hour, at = _number(buffer, at, end)
    if at >= end or buffer[at] != COLON:
        return False, 0, at
    minute, at = _number(buffer, at + 1, end)
    second, thousandths = 0, 0
    if at < end and buffer[at] == COLON:
        second, at = _number(buffer, at + 1, end)
        thousandths, at = _fraction_ms(buffer, at, end)
    while at < end and buffer[at] == SPACE:
        at += 1
    if at < end and buffer[at] in (LETTER_A, LETTER_P, LETTER_A + 32, LETTER_P + 32):
        afternoon = buffer[at] in (LETTER_P, LETTER_P + 32)
        hour = hour % 12 + (12 if afternoon else 0)
        at += 2
    good = hour < 24 and minute < 60 and second < 61
    return good, ((hour * 60 + minute) * 60 + second) * SECOND_MS + thousandths, at


@njit(cache=True)
def time_ms(buffer: Bytes, at: int, end: int) -> tuple[bool, int]:
    """Return whether a time stands between two places, and its ms since 1970."""
    first, after = _number(buffer, at, end)
    if after == at:
        return False, 0
    if after >= end or buffer[after] == POINT:
        thousandths, after = _fraction_ms(buffer, after, end)
        return after >= end, first if first > MS_ABOVE else first * SECOND_MS + thousandths
    sign = buffer[after]
    second, middle = _number(buffer, after + 1, end)
    if sign not in (MINUS, SLASH) or middle >= end or buffer[middle] != sign:
        return False, 0
    third, after = _number(buffer, middle + 1, end)
    year, month, day = (first, second, third) if first >= YEAR_FIRST else (third, first, second)
    if not (YEAR_FIRST <= year < YEAR_LAST and 1 <= month <= 12 and 1 <= day <= 31):
        return False, 0
    of_day_ms = 0
    if after < end:
        if buffer[after] not in (SPACE, LETTER_T):
            return False, 0
        good, of_day_ms, after = _clock(buffer, after + 1, end)
        if not good or (after < end and buffer[after] not in (LETTER_Z, PLUS, MINUS)):
            return False, 0
    return True, _days(year, month, day) * DAY_S * SECOND_MS + of_day_ms


@njit(cache=True)
def _whole(buffer: Bytes, at: int, end: int) -> tuple[bool, int]:
    """Return whether a whole number stands between two places (7, -7, 7.0), and it."""
    negative = at < end and buffer[at] == MINUS
    at += 1 if negative else 0
    value, after = _number(buffer, at, end)
    if after == at:
        return False, 0
    part, rest = _fraction_ms(buffer, after, end)
    return rest == end and part == 0, -value if negative else value


@njit(cache=True)
def _hash(buffer: Bytes, at: int, end: int) -> np.int64:
    mark = HASH_BASIS
    for place in range(at, end):
        mark = (mark ^ np.uint64(buffer[place])) * HASH_PRIME
    return np.int64(mark)


@njit(cache=True)
def _field(buffer: Bytes, at: int, end: int, separator: int) -> tuple[int, int, int]:
    """Return where a field's text begins and ends, without quotes and blanks, and where the next field begins."""
    stop = at
    if at < end and buffer[at] == QUOTE:
        stop += 1
        while stop < end and buffer[stop] != QUOTE:
            stop += 1
    while stop < end and buffer[stop] != separator:
        stop += 1
    first, last = at, stop
    while first < last and buffer[first] in (QUOTE, SPACE, RETURN):
        first += 1
    while last > first and buffer[last - 1] in (QUOTE, SPACE, RETURN):
        last -= 1
    return first, last, stop + 1


@njit(cache=True)
def parse(buffer: Bytes, length: int, separator: int, column: IntArray, out: IntArray, spans: IntArray) -> tuple[int, int, int]:
    """Fill out (n, 4) with ms, hash of the box's name, event and parameter of every whole line that can be read.

    column: which of the four each field is, 4 for none; spans (n, 2): where the box's name stands. Returns how many rows,
    how many lines could not be read, and where the first of these begins (length where there is none).
    """
    rows, bad, first_bad, at = 0, 0, length, 0
    while at < length:
        end = at
        while end < length and buffer[end] != NEWLINE:
            end += 1
        begin, place, good, have = at, at, True, 0
        for n in range(len(column)):
            if place > end or have == 4:
                break
            first, last, place = _field(buffer, place, end, separator)
            what = column[n]
            if what == TIME:
                read, out[rows, TIME] = time_ms(buffer, first, last)
            elif what == BOX:
                read, out[rows, BOX] = last > first, _hash(buffer, first, last)
                spans[rows, 0], spans[rows, 1] = first, last
            elif what <= PARAMETER:
                read, out[rows, what] = _whole(buffer, first, last)
            else:
                continue
            good, have = good and read, have + 1
        blank = end - begin <= 1 and (end == begin or buffer[begin] == RETURN)
        if good and have == 4:
            rows += 1
        elif not blank:
            bad += 1
            first_bad = min(first_bad, begin)
        at = end + 1
    return rows, bad, first_bad
