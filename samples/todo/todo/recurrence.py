"""Due dates of recurring tasks."""

from datetime import date, timedelta

INTERVALS = ("day", "week", "month")


def next_due(due: date, every: str) -> date:
    """Returns the date one interval after `due`."""
    if every == "day":
        return due + timedelta(days=1)
    if every == "week":
        return due + timedelta(weeks=1)
    if every == "month":
        return add_month(due)
    raise ValueError(f"cannot repeat every {every!r}; use one of {', '.join(INTERVALS)}")


def add_month(day: date) -> date:
    """The same day of the next month."""
    if day.month == 12:
        return day.replace(year=day.year + 1, month=1)
    return day.replace(month=day.month + 1)
