"""The clock: calendar jobs only, under RedBeat. What waits for seconds or days waits in its row.

Each entry says what it does and how often. Beat may start a job twice or late: a run is a row,
one per period, and the relay starts a job that beat forgot.
"""

from celery.schedules import crontab

SCHEDULE = {
    "reconcile-hourly": {
        "task": "clock.start",
        "schedule": crontab(minute=0),
        "args": ["reconcile"],
    },
    "balance-daily": {
        "task": "clock.start",
        "schedule": crontab(hour=2, minute=20),
        "args": ["balance"],
    },
    "check-daily": {
        "task": "clock.start",
        "schedule": crontab(hour=2, minute=50),
        "args": ["check"],
    },
    "prune-daily": {
        "task": "clock.start",
        "schedule": crontab(hour=3, minute=20),
        "args": ["prune"],
    },
}
