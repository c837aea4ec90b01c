"""A range of days as the read model has it: sums of whole calendar months, and days."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from shop_query.ports import Parameters

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Both days are included."""

    first: date
    last: date

    @property
    def is_day(self) -> bool:
        return self.first == self.last

    @property
    def is_month(self) -> bool:
        return self.first.day == 1 and self.last == _end(self.first)

    def parameters(self) -> Parameters:
        """Names the days before and after the whole months, and these months. What there is none of has no bounds."""
        days = {"first": self.first, "last": self.last}
        # Months are counted, because the calendar has no day before its first and after its last.
        first_whole = _number(self.first) + (self.first.day > 1)
        last_whole = _number(self.last) - (self.last < _end(self.last))
        if first_whole > last_whole:
            return {**days, "last_before": self.last, "first_month": None, "last_month": None, "first_after": None}
        first_month, last_month = _month(first_whole), _month(last_whole)
        return {
            **days,
            "last_before": first_month - _DAY if first_month > self.first else None,
            "first_month": first_month,
            "last_month": last_month,
            "first_after": _end(last_month) + _DAY if _end(last_month) < self.last else None,
        }


def _number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])
